"""`show`: pictures of episodes."""
