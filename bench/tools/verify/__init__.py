"""`verify`: recomputes a recorded run and compares."""
