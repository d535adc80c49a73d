#!/usr/bin/env bash
# rliable 1.2.0: `random_state`, which "ensures reproducibility in uncertainty estimates", changes nothing.
#
# `get_interval_estimates` and `StratifiedBootstrap` take a random state and hand it to the bootstrap of arch, whose class they
# extend. But the two bootstraps override the method that draws, and theirs draws from NumPy's global generator. So two calls
# with equal random states give different intervals, and a call moves the global generator that the rest of a program may
# count on. No error, no warning; only `numpy.random.seed` fixes the intervals.
#
# Why it matters: who publishes an interval with the random state that made it publishes one that nobody can make again; the
# intervals of two methods, compared under one random state, do not rest on the same resamples.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
# arch below 8, which rliable asks for, cannot be imported beside pandas 3.
"$work/venv/bin/python" -m pip install --quiet --no-compile rliable==1.2.0 arch==7.2.0 pandas==2.3.3 numpy==2.4.6
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from arch.bootstrap import IIDBootstrap
from rliable.library import get_interval_estimates
from rliable.metrics import aggregate_iqm

scores = {"maml": np.random.default_rng(0).normal(0.63, 0.02, (5, 4))}  # five seeds on four benchmarks


def intervals(random_state, seed):
    """The interval of the interquartile mean, in points, and the next number of the global generator."""
    np.random.seed(seed)
    _, found = get_interval_estimates(
        scores, lambda all_scores: np.array([aggregate_iqm(all_scores)]), reps=200, random_state=random_state
    )
    return (100 * found["maml"]).ravel().round(3).tolist(), np.random.random()


def of_arch(random_state, seed):
    """The interval of the mean over seeds, by the class that rliable extends."""
    np.random.seed(seed)
    return IIDBootstrap(scores["maml"], seed=random_state).conf_int(np.mean, reps=200, method="percentile").ravel().tolist()


equal = [intervals(np.random.RandomState(7), seed)[0] for seed in (1, 2)]
apart = [intervals(np.random.RandomState(state), 1)[0] for state in (7, 8)]
np.random.seed(1)
untouched = np.random.random()
print("rliable 1.2.0: random state 7, twice:", *equal)
print("random states 7 and 8 after numpy.random.seed(1):", *apart)
print("arch 7.2.0 with equal states: equal", of_arch(np.random.RandomState(7), 1) == of_arch(np.random.RandomState(7), 2))
assert equal[0] != equal[1] and apart[0] == apart[1], "changed: the random state"
assert intervals(np.random.RandomState(7), 1)[1] != untouched, "changed: the global generator"
assert of_arch(np.random.RandomState(7), 1) == of_arch(np.random.RandomState(7), 2), "changed: arch"
print("as found")
PY
