"""`speed`: times a meta-step here and in other libraries."""
