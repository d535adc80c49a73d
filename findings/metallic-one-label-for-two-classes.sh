#!/usr/bin/env bash
# metallic 0.1.0: two characters that are turned by the same angle get the same label.
#
# A class made by augmentation is labelled with the number of its augmentation, not with its own: of 964 characters
# turned by 90 degrees, all have label 0. In an episode those that met under one angle are one class. The classes that
# are not turned have labels of their own. There is no error and no warning: the code that gives labels 0 to 4 to an
# episode refuses more than five, not fewer.
#
# What is used here: 20 classes of images that are one colour each, and rotations by 90, 180 and 270 degrees, as in the
# library's own Omniglot benchmark.
#
# Why it matters: this benchmark turns classes in training, in validation and at test, so that three quarters of them are
# turned. Six of seven of its 5-way episodes have fewer than five labels, and the support set of such an episode says of two
# different characters that they are one. Its accuracies compare with nobody's.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 pillow==12.0.0 requests tqdm
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps metallic==0.1.0 higher==0.2.1 torchvision==0.28.0
"$work/venv/bin/python" -W ignore - <<'PY'
import random
import sys
from collections import Counter
from functools import partial

import torch

try:
    import torchvision
except RuntimeError:  # a torchvision built for another torch: its operators are not used here
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from metallic.data.datasets.base import ClassDataset, MetaDataset

CLASSES, IMAGES = 20, 3


class Colours(ClassDataset):
    def __init__(self, augmentations):
        super().__init__("unused", "train", "unused", augmentations=augmentations)
        self.labels = {"train": list(range(CLASSES))}
        self.label_to_images = {label: [torch.full((1, 4, 4), float(label))] * IMAGES for label in range(CLASSES)}
        self.n_classes = CLASSES


def labels_of(turns):
    """Number of labels -> how many of 1,000 episodes of 5 classes have so many; and one episode with fewer than 5."""
    random.seed(0)
    torch.manual_seed(0)
    data = MetaDataset(Colours([partial(torch.rot90, k=k, dims=(1, 2)) for k in turns]), n_way=5)
    found, example = Counter(), None
    for _ in range(1000):
        chosen = tuple(random.sample(range(data.n_classes), 5))
        task = data[chosen]
        episode = [task[place] for place in range(0, 5 * IMAGES, IMAGES)]  # the first image of each class
        labels = [label for _, label in episode]
        found[len(set(labels))] += 1
        if len(set(labels)) < 5 and example is None:
            example = [(int(image[0, 0, 0]), 90 * (index // CLASSES), label)
                       for index, (image, label) in zip(chosen, episode)]
    return dict(sorted(found.items())), example


plain, _ = labels_of([])
turned, example = labels_of([1, 2, 3])
print("metallic 0.1.0, labels in an episode of 5 classes -> episodes of 1,000")
print(f"  no rotations: {plain}")
print(f"  rotations:    {turned}")
print("one of them, class, degrees, label:", *example)
share = sum(count for labels, count in turned.items() if labels < 5) / 1000
print(f"episodes with fewer than five labels: {100 * share:.0f} %")
assert plain == {5: 1000} and share > 0.8 and max(turned) == 5, "changed"
assert len({label for _, degrees, label in example if degrees == 90}) <= 1, "changed"
print("as found")
PY
