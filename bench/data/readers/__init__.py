"""Readers for every form in which data sets are distributed."""
