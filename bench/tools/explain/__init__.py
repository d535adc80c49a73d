"""`explain`: which differences between two protocols make the gap between their scores."""
