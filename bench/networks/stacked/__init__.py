"""Exact meta-gradients of stacked episodes, without autograd."""
