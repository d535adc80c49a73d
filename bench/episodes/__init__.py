"""Which images or points are in episode i, and digests that pin them."""
