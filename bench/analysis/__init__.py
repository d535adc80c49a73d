"""Records and claims to intervals, verdicts and comparisons. No torch."""
