"""A run from request to record."""
