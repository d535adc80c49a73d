"""The forms in which data sets are passed round, and what a user's copy holds of them."""
