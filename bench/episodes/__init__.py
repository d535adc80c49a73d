"""Which images or points stand in episode i, and digests that pin them."""
