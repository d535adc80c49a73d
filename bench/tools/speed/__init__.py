"""`speed`: times a meta-step, and those of other libraries."""
