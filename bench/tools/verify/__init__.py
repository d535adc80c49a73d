"""`verify`: a recorded run computed again and compared."""
