#!/usr/bin/env bash
# dabest 2025.10.20: with few seeds its permutation p-values are far too small, and its correction makes them absurd.
#
# The test counts permutations whose effect is larger than the observed one, not those that equal it, though the observed
# labelling is one of them. Of three seeds against three, all better, 2 of 20 labellings are as extreme: p = 0.1. dabest
# says 0. Where numbers are not exact in binary, the last bit of a mean decides whether equals count, so that accuracies in
# percent and the same ones as fractions give different p-values. `ps_adjust=True`, "according to Phipson & Smyth (2010)",
# puts this count where their formula takes one with equals, and returns 1.6e-230 for the same six numbers. No error, no
# warning.
#
# Why it matters: methods are compared over three to five seeds, where equals are most of the p-value: three against three
# cannot be significant at 0.05 in a two-sided permutation test, yet here they are, at any level.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile dabest==2025.10.20 numpy==2.1.3 scipy==1.15.3 pandas==2.2.3 \
    numba==0.61.2 matplotlib==3.10.9 seaborn==0.13.2
SKIP_NUMBA_COMPILE=1 NUMBA_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
from itertools import combinations

import numpy as np
import pandas as pd
import dabest
from scipy.stats import permutation_test


def by_dabest(baseline, method, ps_adjust=False):
    table = pd.DataFrame({"baseline": baseline, "method": method})
    loaded = dabest.load(table, idx=("baseline", "method"), resamples=100, ps_adjust=ps_adjust)
    return float(loaded.mean_diff.results.pvalue_permutation[0])


def by_scipy(baseline, method):
    return permutation_test((baseline, method), lambda x, y: np.mean(y) - np.mean(x), n_resamples=np.inf).pvalue


def by_counting(baseline, method):
    """All labellings, with a tolerance for rounding."""
    scores, size = np.concatenate([baseline, method]), len(baseline)
    chosen = [list(labels) for labels in combinations(range(len(scores)), size)]
    effects = np.array([np.delete(scores, labels).mean() - scores[labels].mean() for labels in chosen])
    return np.mean(np.abs(effects) >= abs(np.mean(method) - np.mean(baseline)) - 1e-9)


PERCENT = {
    "3 seeds": ([61.0, 62.0, 60.0], [65.0, 66.0, 64.0]),
    "4 seeds": ([61.0, 62.0, 60.0, 63.0], [65.0, 66.0, 64.0, 67.0]),
}
print("dabest 2025.10.20, all seeds better:")
for name, (baseline, method) in PERCENT.items():
    plain, adjusted = by_dabest(baseline, method), by_dabest(baseline, method, ps_adjust=True)
    right = by_scipy(baseline, method), by_counting(baseline, method)
    print(f"  {name}: p = {plain:g}, with ps_adjust {adjusted:.2g}; right: {right[0]:.4g} (scipy), {right[1]:.4g} (counted)")
    assert np.isclose(*right), "the two references disagree"
    assert plain == 0, f"changed: {name}"
    assert adjusted < 1e-10, f"changed: {name} with ps_adjust"

rng = np.random.default_rng(0)
moved = []
for _ in range(10):
    percent = rng.integers(600, 640, 3) / 10, rng.integers(650, 690, 3) / 10
    assert np.isclose(by_counting(*percent), 0.1)
    moved.append((by_dabest(*percent), by_dabest(*(scores / 100 for scores in percent))))
print("ten such comparisons of 3 seeds, p from percent and from fractions; right: 0.1 for all")
print("  " + ", ".join(f"{percent:.2g}/{fraction:.2g}" for percent, fraction in moved))
assert any(abs(percent - fraction) > 0.03 for percent, fraction in moved), "changed: rounding"
print("as found")
PY
