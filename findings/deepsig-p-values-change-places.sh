#!/usr/bin/env bash
# deepsig 1.2.8: `bonferroni_correction` gives corrected p-values back in another order, and leaves the largest as it was.
#
# It sorts the p-values, corrects them, and puts them back with the permutation that sorted them instead of its inverse: with
# three or more comparisons the corrected value of one stands in the place of another, and 0.3 becomes 0.003. What it
# multiplies by is k for the smallest, k - 1 for the next, 1 for the largest, without the running maximum that Holm's method
# takes: of k equal p-values of 0.04 one stays 0.04. (Bonferroni multiplies all by k.)
#
# Why it matters: the star in the table stands beside the wrong method, and k methods that are all no better than the baseline
# always leave one that is only tested at the uncorrected level.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile deepsig==1.2.8 numpy==2.4.6 scipy==1.17.1 pandas==3.0.3
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from deepsig import bonferroni_correction

CASES = {
    "three methods": [0.020, 0.300, 0.001],
    "the largest first": [0.300, 0.020, 0.001],
    "all equal": [0.040] * 5,
}
given = {name: np.array(values) for name, values in CASES.items()}
corrected = {name: bonferroni_correction(values) for name, values in given.items()}
print("deepsig 1.2.8, p-values, bonferroni_correction, and Bonferroni's:")
for name, values in given.items():
    print(f"  {name}: {values} -> {corrected[name]}, right: {np.minimum(values * len(values), 1)}")
three = corrected["three methods"]
assert np.allclose(three, [0.3, 0.003, 0.04]), "changed: the places"
assert np.argmin(three) == np.argmax(given["three methods"]), "changed: the largest is not taken for the smallest"
assert np.allclose(corrected["the largest first"], [0.3, 0.04, 0.003]), "changed: a permutation that is its own inverse"
assert np.allclose(sorted(corrected["all equal"]), [0.04, 0.08, 0.12, 0.16, 0.2]), "changed: equal p-values"
print("as found")
PY
