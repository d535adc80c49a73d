"""PyTorch weights from other code, matched with a Conv4 by shape and order."""
