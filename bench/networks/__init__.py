"""The network of a benchmark: Conv4 for images, an MLP for functions."""
