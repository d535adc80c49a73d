#!/usr/bin/env bash
# fewlearn 0.1.2: precision, recall, AUC and metrics of one's own are reported, but each of them is the accuracy.
#
# The library has functions for precision, recall, F1 and the area under the ROC curve, a list of them, and
# `register_metric` for others. Its `Evaluator` takes their names. But its protocol knows accuracy and F1 only: for
# every other name, even one that does not exist, it computes the accuracy and files it under that name, overall and for
# each episode. There is no error and no warning. `calculate_metrics` gives other numbers for the same predictions.
#
# Why it matters: who evaluates with several metrics gets a table whose columns agree, as if the method were equally
# good by all of them; a calibration error or an AUC that is an accuracy goes into a paper, and models are chosen by it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 pillow==12.0.0 pandas==3.0.3 \
    scikit-learn==1.9.1
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps fewlearn==0.1.2 torchvision==0.28.0
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
import torch

torch.set_num_threads(1)
try:
    import torchvision
except RuntimeError:  # a torchvision built for another torch: its operators are not used here
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from fewlearn import EpisodicProtocol, Evaluator
from fewlearn.evaluation import metrics as library
from sklearn.metrics import f1_score, precision_score, roc_auc_score

library.register_metric("always 0", lambda predictions, targets: 0.0)
NAMES = ["accuracy", "f1", "precision", "auc_roc", "always 0", "no such metric"]
generator = torch.Generator().manual_seed(0)
images = torch.rand(40, 3, generator=generator)
labels = (torch.rand(40, generator=generator) < 0.7 * images[:, 0] + 0.15).long()


class Lazy(torch.nn.Module):
    """Scores of two classes that order the images well, but lean towards class 0."""

    def forward(self, support, support_labels, query):
        return torch.stack([torch.full((len(query),), 0.75), query[:, 0]], dim=1)


class Images(torch.utils.data.Dataset):
    targets = labels.tolist()

    def __len__(self):
        return len(labels)

    def __getitem__(self, index):
        return images[index], self.targets[index]


class Recording(Lazy):
    """The same, keeping what it was asked and what it said."""

    def __init__(self):
        super().__init__()
        self.asked, self.said = [], []

    def forward(self, support, support_labels, query):
        self.asked.append(query.clone())
        self.said.append(super().forward(support, support_labels, query))
        return self.said[-1]


np.random.seed(0)
model = Recording()
evaluator = Evaluator(EpisodicProtocol(n_way=2, n_shot=1, n_query=8, episodes=25), metrics=NAMES, parallel=False)
found = evaluator.evaluate({"model": model}, Images(), seed=0)["model"]["metrics"]

scores = torch.cat(model.said).numpy()
asked = torch.cat(model.asked)
targets = np.array([int(labels[(images == image).all(1).nonzero()[0, 0]]) for image in asked])
predictions = scores.argmax(1)
right = {
    "accuracy": np.mean(predictions == targets),
    "f1": f1_score(targets, predictions, average="weighted"),
    "precision": precision_score(targets, predictions, average="weighted"),
    "auc_roc": roc_auc_score(targets, scores[:, 1]),
    "always 0": 0.0,
}
own = library.calculate_metrics(predictions, targets, ["accuracy", "f1", "precision", "always 0"])
print(f"fewlearn 0.1.2, {len(targets)} queries of 2 classes:       Evaluator  calculate_metrics  scikit-learn")
for name in NAMES:
    shown = "".join(f"{values[name]:18.4f}" if name in values else f"{'-':>18}" for values in (found, own, right))
    print(f"  {name:<36}{shown}")
assert abs(right["auc_roc"] - right["accuracy"]) > 0.05 and abs(right["precision"] - right["accuracy"]) > 0.03
for name in ("accuracy", "f1"):
    assert np.isclose(found[name], right[name]), f"changed: {name}"
for name in ("precision", "auc_roc", "always 0", "no such metric"):
    assert np.isclose(found[name], right["accuracy"]), f"changed: {name}"
for name in own:
    assert name == "confusion_matrix" or np.isclose(own[name], right[name]), f"changed: calculate_metrics, {name}"
print("as found")
PY
