#!/usr/bin/env bash
# mlxtend 0.25.0: the p-value of two accuracies depends on which is named first.
#
# `proportion_difference(first, second, n)` is its test of whether two classifiers differ. The p-value is the area
# under the normal curve left of z: small only where the first accuracy is the lower one. The user guide describes a
# test of "different", which rejects at 5 % where z is greater than 1.96, and then calls z = -1.754 (0.84 and 0.92 of
# 100) a significant difference, since its p-value is 0.040. There is no argument for the direction, and no warning.
# The library's `mcnemar`, which answers the same question, has two sides.
#
# Why it matters: a new method that is named first and is better has a p-value near 1, however clear the improvement.
# Named second, it is called significant at 5 % from z = -1.645 on, where a test of two sides has 10 %.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile numpy==2.4.6 scipy==1.17.1 pandas==3.0.3 \
    scikit-learn==1.9.1 matplotlib==3.11.2
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps mlxtend==0.25.0
MPLBACKEND=agg "$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from mlxtend.evaluate import mcnemar, proportion_difference
from scipy.stats import norm

QUERIES = 3000
print(f"mlxtend 0.25.0, proportion_difference, {QUERIES} queries for each method")
print(" first  second       z        p   two sides")
for first, second in ((0.6311, 0.6103), (0.6103, 0.6311), (0.9, 0.5), (0.5, 0.9), (0.8, 0.8)):
    z, p = proportion_difference(first, second, QUERIES)
    two_sides = 2 * norm.sf(abs(z))
    print(f"{first:6.4f}  {second:6.4f} {z:7.2f} {p:8.4f}  {two_sides:10.4f}")
    variance = (first * (1 - first) + second * (1 - second)) / QUERIES
    assert np.isclose(z, (first - second) / np.sqrt(variance)), "changed: z"
    assert np.isclose(p, norm.cdf(z)), "changed: the p-value is no longer the area to the left"

z, p = proportion_difference(0.84, 0.92, 100)
print(f"the example of the user guide: z {z:.3f}, p {p:.3f}, two sides {2 * norm.sf(abs(z)):.3f}")
assert p < 0.05 < 2 * norm.sf(abs(z)), "changed: the verdict on the example of the user guide"
outcomes = np.array([[1700, 150], [250, 900]])  # rows: the first method right or wrong; columns: the second
_, p = mcnemar(outcomes)
_, swapped = mcnemar(outcomes.T)
print(f"mcnemar: p {p:.2g}, in the other order {swapped:.2g}")
assert p == swapped < 0.05, "changed: mcnemar has a direction"

STUDIES = 2000
rng = np.random.default_rng(0)


def found(better_first, low=0.60, high=0.65):
    """The share of studies in which a real difference has a p-value below 0.05."""
    accuracies = rng.binomial(QUERIES, [low, high], size=(STUDIES, 2)) / QUERIES
    pairs = accuracies[:, ::-1] if better_first else accuracies
    return np.mean([proportion_difference(*pair, QUERIES)[1] < 0.05 for pair in pairs])


first, second = found(better_first=True), found(better_first=False)
print(f"{STUDIES} studies of 65 % against 60 %: p < 0.05 in {100 * first:.1f} % with the better named first, "
      f"in {100 * second:.1f} % with it named second")
assert first == 0, "changed: a difference is found with the better first"
assert second > 0.95, "changed: the power with the better second"
print("as found")
PY
