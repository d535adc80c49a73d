"""PyTorch weights of other people's code, matched with a Conv4 by shape and order."""
