"""`check`: the contract of methods, tried on one of them."""
