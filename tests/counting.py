"""What tests count up, and `conftest` prints below everything: inputs tried, kills survived."""

from collections import Counter

counts: Counter[str] = Counter()
