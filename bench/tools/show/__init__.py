"""`show`: draws pictures of episodes."""
