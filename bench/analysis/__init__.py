"""Makes intervals, verdicts and comparisons from records and claims. No torch."""
