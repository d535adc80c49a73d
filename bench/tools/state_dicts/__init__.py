"""PyTorch weights of other code, matched with a Conv4 by shape and order."""
