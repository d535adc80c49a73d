"""Exports runs as one archive, and imports them."""
