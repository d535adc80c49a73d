#!/usr/bin/env bash
# parallel-metalearn 0.5.6: where tasks have different numbers of queries, perfect predictions score about 60 %.
#
# With a range for the queries of a class, such as (5, 15), episodes are padded to the largest size, and a mask says
# which images are real. The loss leaves the padding out and divides by the number of real queries. The accuracy leaves it
# out above the line only: it is divided by the padded size. There is no error and no warning.
#
# Why it matters: the score says how much padding there was. It cannot reach 100 %, it differs from episode to
# episode for this reason alone, which widens its interval, and a wider range of queries looks like a worse method. Training
# keeps its best model by it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 tqdm
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps parallel-metalearn==0.5.6
"$work/venv/bin/python" -W ignore - <<'PY'
import random

import numpy as np
import torch
from metalearn.dataset.classification_task import FewShotSampler, MetaTaskDataset
from metalearn.loss import CategoricalAccuracy, CrossEntropy

torch.set_num_threads(1)
CLASSES, IMAGES = 10, 40
labels = np.repeat(np.arange(CLASSES), IMAGES)
images = np.eye(CLASSES, dtype="float32")[labels]  # an image says its class
sampler = FewShotSampler(images, labels.astype(str), {label: str(label) for label in range(CLASSES)})
loss_of = CrossEntropy(metric_fn=CategoricalAccuracy())


def scores(queries):
    """Of 200 episodes of 5 classes, for predictions that are all right: mean accuracy, its spread, and mean loss."""
    random.seed(0)
    tasks = MetaTaskDataset(sampler, way=5, support_shot=1, query_shot=queries, max_classes=CLASSES)
    found, right = [], []
    for place in range(200):
        _, _, inputs, targets = tasks[place]
        loss, accuracy = loss_of({"logits": 100 * inputs}, targets)
        real = targets.get("samples_mask", torch.ones(len(inputs), dtype=torch.bool))
        right.append((inputs.argmax(1) == targets["labels"])[real].float().mean().item())
        found.append((accuracy.item(), loss.item()))
    accuracies, losses = np.array(found).T
    assert set(right) == {1.0} and losses.max() < 1e-6
    return accuracies.mean(), accuracies.std()


print("parallel-metalearn 0.5.6, accuracy of predictions that are all right, mean and spread of 200 episodes")
for queries in (15, (14, 15), (5, 15), (1, 15)):
    mean, spread = scores(queries)
    print(f"  queries a class {str(queries):<8} {100 * mean:6.2f} ± {100 * spread:.2f} %")
    share = np.mean(queries) / np.max(queries)  # of an episode that is real
    assert abs(mean - share) < 0.02, "changed"
print("as found")
PY
