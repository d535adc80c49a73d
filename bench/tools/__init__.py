"""One folder or module for each further command."""
