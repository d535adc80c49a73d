#!/usr/bin/env bash
# statds 1.1.7: corrections for several comparisons give p-values to the wrong pairs, or call noise significant.
#
# For comparing methods over data sets it offers nine corrections after a Friedman test. In a table of all pairs:
# - Holm, Holland, Finner: an adjusted p-value is the largest of several terms; it is filed under the pair that the
#   largest one came from, not under its own. As soon as one term exceeds a later one, the column is out of order: here
#   a pair with p = 0.12 gets 0.003, which belongs to the clearest pair, with p = 0.0003, and that gets 0.12.
# - Holland and Finner: the threshold is 1 - (1 - alpha)^m where it has to be 1 - (1 - alpha)^(1/m): 0.40 instead of
#   0.005 for ten pairs, so that the correction makes rejecting easier than no correction. `Results` follows this
#   threshold.
# - Shaffer: the adjusted p-values are right, but `Results` compares the plain ones with alpha.
# The answers in one row contradict each other; there is no error and no warning.
#
# Why it matters: these tables decide which methods differ. Of five equal methods over 20 data sets, Holland's and
# Finner's declare a difference in nine of ten studies, where at most one in twenty is allowed.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile numpy==2.4.6 scipy==1.17.1 pandas==3.0.3 matplotlib==3.11.2
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps statds==1.1.7
MPLBACKEND=agg "$work/venv/bin/python" -W ignore - <<'PY'
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm, rankdata
from statds import no_parametrics

no_parametrics.generate_graph_p_values = lambda *_: plt.gcf()  # the drawing is not looked at
ALPHA, RANKS, SETS = 0.05, {"A": 2.0, "B": 2.3, "C": 3.2, "D": 3.4, "E": 4.1}, 15
tables = {name: getattr(no_parametrics, name) for name in ("holm", "holland", "finner", "shaffer")}


def adjusted(p, name):
    """By the step-down formulas, each p-value in its own place. Shaffer's counts are those of five methods."""
    p, m = np.asarray(p), len(p)
    order, i = np.argsort(p), np.arange(m)
    terms = {
        "holm": lambda q: (m - i) * q,
        "holland": lambda q: 1 - (1 - q) ** (m - i),
        "finner": lambda q: 1 - (1 - q) ** (m / (i + 1)),
        "shaffer": lambda q: np.array([10, 6, 6, 6, 6, 4, 4, 3, 2, 1]) * q,
    }[name](p[order])
    result = np.empty(m)
    result[order] = np.minimum(np.maximum.accumulate(terms), 1)
    return result


print(f"statds 1.1.7, mean ranks of five methods over {SETS} data sets, alpha {ALPHA}")
print("pair        p " + "".join(f"{name + ': right':>17} {'shown':>7} {'verdict':>8}" for name in tables))
shown = {name: correct(dict(RANKS), SETS, ALPHA)[0] for name, correct in tables.items()}
plain = shown["holm"]["p-value"].to_numpy()
pairs = list(combinations(RANKS, 2))
expected = [2 * norm.sf(abs(RANKS[a] - RANKS[b]) / np.sqrt(5 * 6 / (6 * SETS))) for a, b in pairs]
assert np.allclose(plain, expected), "changed: the plain p-values"
right = {name: adjusted(plain, name) for name in tables}
for row in np.argsort(plain):
    line = f"{pairs[row][0]} and {pairs[row][1]} {plain[row]:7.4f}"
    for name, table in shown.items():
        verdict = "differ" if table["Results"][row].startswith("Reject") else "-"
        line += f"{right[name][row]:17.4f} {table['Adjusted p-value'][row]:7.4f} {verdict:>8}"
    print(line)
for name in ("holm", "holland", "finner"):
    got = shown[name]["Adjusted p-value"].to_numpy(dtype=float)
    assert np.max(np.abs(got - right[name])) > 0.5, f"changed: adjusted p-values of {name}"
    assert np.any(got < plain - 1e-9), f"changed: {name} has no adjusted p-value below the plain one"
    assert np.allclose(np.max(got), np.max(right[name])), f"changed: {name} has other numbers"
assert np.allclose(shown["shaffer"]["Adjusted p-value"].to_numpy(dtype=float), right["shaffer"]), "changed: shaffer"
smallest = np.argmin(plain)
for name in ("holland", "finner"):
    threshold = shown[name]["Adjusted alpha"][smallest]
    print(f"{name}: first threshold {threshold:.4f}; right {1 - (1 - ALPHA) ** (1 / len(pairs)):.4f}")
    assert np.isclose(threshold, 1 - (1 - ALPHA) ** len(pairs)), f"changed: threshold of {name}"

STUDIES, MANY = 200, 20
rng = np.random.default_rng(0)
false, valid = dict.fromkeys(tables, 0), dict.fromkeys(tables, 0)
for _ in range(STUDIES):
    means = rankdata(rng.normal(size=(MANY, len(RANKS))), axis=1).mean(0)
    for name, correct in tables.items():
        table = correct(dict(zip(RANKS, means)), MANY, ALPHA)[0]
        false[name] += table["Results"].str.startswith("Reject").any()
        valid[name] += bool(np.min(adjusted(table["p-value"], name)) < ALPHA)
print(f"{STUDIES} studies of five equal methods over {MANY} data sets: a difference is declared in (right formulas)")
for name in tables:
    print(f"  {name:<8} {100 * false[name] / STUDIES:5.1f} %  ({100 * valid[name] / STUDIES:.1f} %)")
    assert valid[name] < 0.1 * STUDIES, "the reference is off"
assert min(false["holland"], false["finner"]) > 0.8 * STUDIES, "changed: verdicts of holland and finner"
assert false["shaffer"] > 0.15 * STUDIES, "changed: verdicts of shaffer"
print("as found")
PY
