#!/usr/bin/env bash
# autorank 1.3.0: of two methods it tests only whether the one with the larger median is better: p = 1 for a clear gain.
#
# Two columns that are not normal get Wilcoxon's signed rank test, one-sided, in the direction of the two medians; its
# description speaks of the signed rank test alone. The test is of the differences in each row, and the medians of the columns
# need not agree with them. Where rows differ much more than methods, as test episodes do, they often do not: a method that
# is better in most episodes has the smaller median, and its gain is tested as a loss.
#
# Why it matters: the p-value near 1 reads as "no difference at all", and the method goes without its star; where the medians do
# agree the p-value is half of the two-sided one that a paper calls it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile autorank==1.3.0 numpy==2.4.6 scipy==1.17.1 pandas==3.0.3
"$work/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io

import numpy as np
import pandas as pd
from autorank import autorank
from scipy import stats

draws = np.random.default_rng(0)
tested, both_sides, backwards = [], [], []
for _ in range(60):
    easy = 100 * draws.beta(8, 1, 100)  # per cent of 100 test episodes
    scores = pd.DataFrame({"ours": easy + draws.laplace(1, 2, 100), "theirs": easy})
    with contextlib.redirect_stdout(io.StringIO()):
        result = autorank(scores)
    assert result.omnibus == "wilcoxon", "changed: the test"
    tested.append(result.pvalue)
    both_sides.append(stats.wilcoxon(scores["ours"], scores["theirs"]).pvalue)
    backwards.append(float(scores["ours"].median()) < float(scores["theirs"].median()))
    if backwards[-1] and backwards.count(True) == 1:
        better = float((scores["ours"] > scores["theirs"]).mean())
        print(f"ours better in {better:.0%} of the episodes, by {(scores['ours'] - scores['theirs']).mean():.2f} points,", end=" ")
        print(f"median lower by {(scores['theirs'].median() - scores['ours'].median()):.2f}: p = {result.pvalue:.5f}, two-sided {both_sides[-1]:.5f}")
tested, both_sides, backwards = np.array(tested), np.array(both_sides), np.array(backwards)
print(f"autorank 1.3.0, 60 comparisons with a gain of 1 point: {sum(tested < 0.05)} found at 0.05, by the two-sided test {sum(both_sides < 0.05)};")
print(f"  in {sum(backwards)} the medians are the other way round, where p is at least {tested[backwards].min():.3f}")
assert np.allclose(tested[~backwards], both_sides[~backwards] / 2, rtol=0.2, atol=1e-3), "changed: half of the two-sided p"
assert sum(backwards) > 2 and tested[backwards].min() > 0.5 and both_sides[backwards].min() < 0.05, "changed: the direction"
print("as found")
PY
