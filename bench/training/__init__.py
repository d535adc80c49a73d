"""How a method is trained and scored."""
