"""`episodes export` and `score`: episodes for other people's code, and its predictions back."""
