#!/usr/bin/env bash
# simplemaml 1.2.13: each task adapts the weights that the one before has adapted, with the wrong learning rate.
#
# The copy of the model that the tasks adapt is reset once per meta-epoch, not per task. With the default of 10 to 30
# tasks, the last is fine-tuned from a model that has taken up to 29 steps on others, and the meta-update follows
# gradients from there. Besides, the two learning rates have changed places: `alpha`, documented for the tasks, is that
# of the meta-update, and `beta` the other way round (as both default to 0.005, it shows only once they are set). And
# `validation_split=0.2`, "ratio of data to use for validation", trains on 20 % and validates on 80 %. There is no error
# and no warning.
#
# Why it matters: it is not MAML that is measured. The loss it returns is not that of one step from the initialisation:
# it falls with the number of tasks in an epoch. And `alpha` and `beta` of a paper give something else here.
#
# With TensorFlow 2.15, of the time of this release, which needs Python 3.9 to 3.11: with Keras 3 it raises an error.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile tensorflow-cpu==2.15.1 numpy==1.26.4
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps simplemaml==1.2.13
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io

import numpy as np
import tensorflow as tf
from simplemaml import MAML

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
ones = np.ones((4, 1), "float32")
part = {"inputs": ones, "target": ones}
TASK = {"train": part, "test": part}  # y = x, so that the loss of the one weight w is (w - 1)²


def library(tasks, alpha, beta):
    """The weight and the loss after one meta-epoch of so many tasks, from w = 0."""
    model = tf.keras.Sequential([tf.keras.Input((1,)), tf.keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.zeros((1, 1), "float32")])
    with contextlib.redirect_stdout(io.StringIO()):
        _, losses = MAML(
            model, alpha=alpha, beta=beta, meta_epochs=1, meta_tasks_per_epoch=[tasks, tasks], tasks=[TASK]
        )
    return float(model.get_weights()[0][0, 0]), float(losses[0])


def by_hand(tasks, task_rate, meta_rate, chained):
    """First-order MAML, as the library's; `chained`: every task goes on from the one before."""
    adapted, gradients = 0.0, []
    for _ in range(tasks):
        start = adapted if chained else 0.0
        adapted = start - task_rate * 2 * (start - 1)
        gradients.append(2 * (adapted - 1))
    return -meta_rate * np.mean(gradients), (adapted - 1) ** 2


print("simplemaml 1.2.13, tensorflow 2.15.1: weight and loss after one meta-epoch, from 0")
print("  tasks  alpha  beta   simplemaml      as documented")
for tasks, alpha, beta in ((1, 0.1, 0.1), (2, 0.1, 0.1), (10, 0.1, 0.1), (1, 0.5, 0.01), (1, 0.01, 0.5)):
    found = library(tasks, alpha, beta)
    documented = by_hand(tasks, task_rate=alpha, meta_rate=beta, chained=False)
    print(f"  {tasks:<6} {alpha:<6} {beta:<5}", *("{:.4f} {:.4f}  ".format(*pair) for pair in (found, documented)))
    assert np.allclose(found, by_hand(tasks, task_rate=beta, meta_rate=alpha, chained=True), atol=1e-5), "changed"
    same = tasks == 1 and alpha == beta
    assert same == np.allclose(found, documented, atol=1e-3), "changed: as documented, or not even alike with one task"

sizes = []


def counting(target, predicted):
    sizes.append(len(target))
    return tf.keras.losses.mse(target, predicted)


hundred = np.ones((100, 1), "float32")
model = tf.keras.Sequential([tf.keras.Input((1,)), tf.keras.layers.Dense(1, use_bias=False)])
with contextlib.redirect_stdout(io.StringIO()):
    MAML(model, c_loss=counting, meta_epochs=1, meta_tasks_per_epoch=[1, 1], validation_split=0.2,
         tasks=[{"inputs": hundred, "target": hundred}])
print(f"validation_split=0.2 of 100: adapted to {sizes[0]}, validated on {sizes[1]}")
assert sizes == [20, 80], "changed: validation_split"
print("as found")
PY
