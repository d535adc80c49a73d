"""Counts that `conftest` prints at the end of the tests: hostile inputs tried, kills survived."""

from collections import Counter

counts: Counter[str] = Counter()
