#!/usr/bin/env bash
# meta-learning-toolkit 2.5.0: its evaluation harness reports random numbers, whatever the model.
#
# `FewShotEvaluationHarness`, "research-grade evaluation", has `publication_evaluation` with 10,000 episodes and a 95 %
# confidence interval. It draws each episode's accuracy evenly between 0.2 and 0.8 with NumPy's global generator; the
# model is put in evaluation mode and never called, and no image is loaded. So every model has 50 %, within less than a point.
# The docstring of a private method says "placeholder"; the report, its interval and `run_statistical_tests`, which
# compares two models by a t-test, do not.
#
# What is used here: a model that raises an error when it is called.
#
# Why it matters: the number looks like a 5-way result (50.0 ± 0.3 %), it is plausible, and its interval is right for what it is
# the mean of. The `determinism` helpers of the same package fix the generator, so that it is reproducible, too.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 pyyaml \
    requests rich tqdm pillow==12.0.0
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps meta-learning-toolkit==2.5.0
"$work/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io

import numpy as np
from meta_learning.evaluation.few_shot_evaluation_harness import FewShotEvaluationHarness, publication_evaluation
from torch import nn


class Broken(nn.Module):
    def forward(self, *inputs):
        raise RuntimeError("called")


def images():
    """Class -> its images, which are no images but None."""
    return {label: [None] * 20 for label in range(20)}


found = []
for seed in range(3):
    np.random.seed(seed)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        found.append(publication_evaluation(Broken(), images))
print("meta-learning-toolkit 2.5.0, a model that cannot be called:")
print(printed.getvalue().split("\n", 3)[3].split("📈")[0].strip())
for result in found:
    low, high = result.confidence_interval
    print(f"  {100 * result.mean_accuracy:.2f} %, 95 % interval {100 * low:.2f} to {100 * high:.2f}, "
          f"{result.n_episodes:,} episodes between {result.min_accuracy:.3f} and {result.max_accuracy:.3f}")
    assert abs(result.mean_accuracy - 0.5) < 0.01 and high - low < 0.01, "changed"
    assert 0.2 <= result.min_accuracy < 0.201 and 0.799 < result.max_accuracy <= 0.8, "changed"
np.random.seed(0)
assert np.allclose(np.random.uniform(0.2, 0.8, 10_000), found[0].per_episode_accuracies), "changed"
print("as found: the accuracies are numpy.random.uniform(0.2, 0.8) of the seed")
PY
