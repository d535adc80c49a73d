#!/usr/bin/env bash
# confidence_intervals 0.0.3: with `conditions`, every condition of equal size is resampled at the same places.
#
# Its bootstrap draws conditions, and then samples within each drawn condition. Every draw of one round starts a generator
# anew from the number of the round, so that all conditions with equally many samples give the same places: if one gives its
# third sample twice, all do. What differs between places then no longer averages out over conditions. With 40 episodes of
# 20 queries, the ten of an easy class first, the interval of the mean accuracy is more than twice that of the same
# bootstrap with independent draws; shuffling the queries of each episode, which changes no statistic, gives the latter.
# (Both are wider than repeating the experiment shows, as the two steps count the spread within episodes twice.) No error,
# no warning.
#
# Why it matters: episodes, with equally many queries and those of a class behind one another, are the conditions of
# few-shot evaluation. Intervals come out too wide wherever one class (or place) is harder than another, and the same
# results, stored in another order, get another interval.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile confidence_intervals==0.0.3 numpy==2.4.6 scikit-learn==1.9.1 \
    matplotlib==3.11.2
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from confidence_intervals import evaluate_with_conf_int
from confidence_intervals.confidence_intervals import get_bootstrap_indices

EPISODES, QUERIES, ROUNDS = 40, 20, 200
CHANCE = np.repeat([0.95, 0.45], QUERIES // 2)  # of a right answer: ten queries of an easy class, then ten of a hard one
CONDITIONS = np.repeat(np.arange(EPISODES), QUERIES)


def places(round_number):
    """The places that each drawn episode is resampled at, once per episode however often it was drawn."""
    drawn = get_bootstrap_indices(EPISODES * QUERIES, CONDITIONS, random_state=round_number)
    episodes = [drawn[drawn // QUERIES == episode] % QUERIES for episode in np.unique(drawn // QUERIES)]
    return {tuple(sorted(kept[:: len(kept) // QUERIES].tolist())) for kept in episodes}


def half_of_library(answers):
    _, (low, high) = evaluate_with_conf_int(answers.ravel(), np.mean, conditions=CONDITIONS, num_bootstraps=ROUNDS)
    return 100 * (high - low) / 2


def half_of_independent_draws(answers, rng, rounds=2000):
    """The documented bootstrap: conditions, then samples of each, repeated as often as the condition was drawn."""
    means = []
    for _ in range(rounds):
        episodes, times = np.unique(rng.integers(0, EPISODES, EPISODES), return_counts=True)
        resampled = answers[episodes[:, None], rng.integers(0, QUERIES, (len(episodes), QUERIES))]
        means.append(np.average(resampled.mean(1), weights=times))
    return 100 * np.diff(np.percentile(means, [2.5, 97.5]))[0] / 2


print("confidence_intervals 0.0.3: different resamples among the episodes drawn in rounds 0, 1, 2:", end=" ")
different = [len(places(round_number)) for round_number in range(3)]
print(different)
rng = np.random.default_rng(0)
answers = (rng.random((EPISODES, QUERIES)) < CHANCE).astype(float)
sorted_half, shuffled_half = half_of_library(answers), half_of_library(rng.permuted(answers, axis=1))
right = half_of_independent_draws(answers, rng)
repeated = 100 * 1.959964 * np.std((rng.random((4000, EPISODES, QUERIES)) < CHANCE).mean((1, 2)))
print(f"mean accuracy {answers.mean():.1%}: +-{sorted_half:.1f} points; with shuffled queries: +-{shuffled_half:.1f}")
print(f"right: +-{right:.1f} with independent draws, +-{repeated:.1f} from repeating the experiment")
assert different == [1, 1, 1], "changed: the places"
assert sorted_half > 1.8 * right, "changed: the interval of sorted queries"
assert 0.7 * right < shuffled_half < 1.4 * right, "changed: the interval of shuffled queries"
print("as found")
PY
