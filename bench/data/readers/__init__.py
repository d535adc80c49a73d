"""A module a form in which data sets are passed round, and what these readers share."""
