"""`check`: checks that a method keeps the contract."""
