"""This project's version, which every record carries."""

__version__ = "0.2.0"
