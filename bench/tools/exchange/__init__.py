"""`episodes export` and `score`: exports episodes for other code, and scores its predictions."""
