"""Data sets: each is prepared as one uint8 array of images, class by class, and a manifest."""
