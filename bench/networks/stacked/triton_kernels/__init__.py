"""What runs on a GPU, in Triton: no sum is taken in the order of who comes first."""
