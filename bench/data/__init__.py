"""Sources of images: each prepares one uint8 array of images, class after class, and a manifest."""
