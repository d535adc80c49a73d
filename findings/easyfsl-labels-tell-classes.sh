#!/usr/bin/env bash
# easyfsl 1.5.0: the label that a class has in an episode follows from its number.
#
# `TaskSampler.episodic_collate_fn` takes the order of a Python set of the classes' numbers for the labels. That is no random
# order: small integers come out by their remainders modulo the set's size, in ascending order where all are below it.
# Class 0 has nearly always label 0, and of 20 classes the last has always the last label.
#
# What is replaced here: torch's `Sampler` takes `data_source` again, which easyfsl passes and torch no longer has.
#
# Why it matters: a network with a head that outlives an episode (MAML's, a fine-tuned one) can learn "this class has label 0"
# and need no support set: it memorises the classes of training instead of learning to learn, as in Yin et al. (2020), and
# fails on new ones. Its accuracy in training is above chance before the first inner step.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 pandas==3.1.1 pillow==12.0.0 matplotlib tqdm
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps easyfsl==1.5.0 torchvision==0.28.0
"$work/venv/bin/python" -W ignore - <<'PY'
import random
import sys
from collections import Counter, defaultdict

import torch

try:
    import torchvision
except RuntimeError:  # a torchvision built for another torch: its operators are not used here
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
torch.utils.data.Sampler.__init__ = lambda self, data_source=None: None
from easyfsl.datasets import FeaturesDataset
from easyfsl.samplers import TaskSampler


def episodes(classes, ways, count):
    """Class numbers (an image is its class's number) and labels of each episode's queries."""
    data = FeaturesDataset.from_dict({str(k): torch.full((2, 1), float(k)) for k in range(classes)})
    sampler = TaskSampler(data, n_way=ways, n_shot=1, n_query=1, n_tasks=count)
    loader = torch.utils.data.DataLoader(data, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn)
    return [(queries[:, 0].long().tolist(), labels.tolist()) for _, _, queries, labels, _ in loader]


random.seed(0)
guessed = {}
for classes, ways in ((20, 5), (64, 5), (64, 20)):
    seen = defaultdict(Counter)
    for numbers, labels in episodes(classes, ways, 1500):
        for number, label in zip(numbers, labels):
            seen[number][label] += 1
    usual = {number: labels.most_common(1)[0][0] for number, labels in seen.items()}
    new = [pair for episode in episodes(classes, ways, 1500) for pair in zip(*episode)]
    guessed[classes, ways] = sum(usual[number] == label for number, label in new) / len(new)
    print(f"easyfsl 1.5.0, {ways:2} ways of {classes} classes: class 0 has the labels {dict(seen[0])};")
    print(f"  queries guessed right by class, without a support set: {guessed[classes, ways]:.0%}, by chance {1 / ways:.0%}")
assert all(share > 2 / ways for (_, ways), share in guessed.items()), f"changed: {guessed}"
print("as found")
PY
