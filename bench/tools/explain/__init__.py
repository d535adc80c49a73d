"""`explain`: which differences between two protocols make up the gap between their scores."""
