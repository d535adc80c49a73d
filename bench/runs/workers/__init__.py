"""Ways to spread runs over processes and machines."""
