#!/usr/bin/env bash
# boostsa 0.2.13: its significance test asks whether a tenth of the test set would show the difference.
#
# The paired bootstrap test that its code refers to (Berg-Kirkpatrick, Burkett and Klein 2012) draws samples as large
# as the test set, and counts those in which the difference is more than twice the observed one. boostsa draws a tenth
# by default, and `sample_size` may be 0.05 to 0.5: the whole test set is refused. What it prints as "p <" is then not a
# p-value: with a share f of the data the normal deviate of the difference shrinks by the square root of f, as if the
# whole test had been that small.
#
# Why it matters: of 1,000 queries one method gets 740 right and the other 690, with McNemar's exact p below 0.001;
# boostsa calls that not significant. More queries make its p-value smaller, but ten times as many are needed as for a
# test; the smaller `sample_size`, the more alike two methods look. Its setup also pins pip, twine and scipy 1.7.3, and
# needs pandas before 3, so the library has to be installed without its dependencies.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile numpy==2.3.5 scipy==1.17.1 pandas==2.3.3 \
    scikit-learn==1.9.1 tqdm==4.67.1
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps boostsa==0.2.13
cd "$work"
TQDM_DISABLE=1 "$work/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io
import re

import numpy as np
from boostsa import Bootstrap
from scipy.stats import binomtest

QUERIES, LOOPS = 1000, 400
ONLY_FIRST, ONLY_SECOND, BOTH = 85, 135, 605  # queries that only the first method gets right, only the second, both
rng = np.random.default_rng(0)
labels = rng.integers(0, 2, QUERIES)
right = np.zeros((2, QUERIES), dtype=bool)
right[:, :BOTH] = True
right[0, BOTH : BOTH + ONLY_FIRST] = True
right[1, BOTH + ONLY_FIRST : BOTH + ONLY_FIRST + ONLY_SECOND] = True
first, second = (np.where(each, labels, 1 - labels) for each in right)
difference = (second == labels) * 1.0 - (first == labels)


def boostsa(**how):
    """Its p-value of the accuracy, which it prints, and its stars, which it returns."""
    np.random.seed(0)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        table, _ = Bootstrap(save_results=False, save_outcomes=False).test(labels, first, second, n_loops=LOOPS, **how)
    return float(re.search(r"diff acc.*?p < ([\d.e-]+)", printed.getvalue())[1]), table["s_acc"].iloc[-1]


samples = difference[rng.integers(0, QUERIES, (20_000, QUERIES))]


def bootstrap(share):
    """The paper's p-value, from samples of this share of the queries."""
    return np.mean(samples[:, : round(share * QUERIES)].mean(1) > 2 * difference.mean() + 1e-9)


whole = bootstrap(1)
exact = binomtest(ONLY_SECOND, ONLY_FIRST + ONLY_SECOND).pvalue
print(f"{right[0].sum()} and {right[1].sum()} of {QUERIES} right; McNemar's exact test, two sides: {exact:.4f}")
print(f"the paper's bootstrap, one side, samples of {QUERIES}: {whole:.5f}")
assert exact < 0.001 > whole
found = {"by default": boostsa()} | {f"sample_size={share}": boostsa(sample_size=share) for share in (0.05, 0.2, 0.5)}
print(f"boostsa 0.2.13, {LOOPS} loops")
for (what, (p, stars)), share in zip(found.items(), (0.1, 0.05, 0.2, 0.5), strict=True):
    expected = bootstrap(share)
    print(f"{what:16} p {p:.4f}  {stars or 'not significant':15}  samples of {share * QUERIES:3.0f}: {expected:.4f}")
    assert abs(p - expected) < 4 * np.sqrt(expected * (1 - expected) / LOOPS), "changed: the p-value"
assert found["by default"][0] > 0.05 and not found["by default"][1], "changed: significant by default"
try:
    boostsa(sample_size=1.0)
except AssertionError as error:
    print(f"sample_size=1.0: {error}")
    assert "sample_size" in str(error)
else:
    raise SystemExit("changed: samples as large as the test set")
print("as found")
PY
