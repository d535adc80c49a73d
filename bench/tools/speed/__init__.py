"""`speed`: a meta-step timed beside other libraries."""
