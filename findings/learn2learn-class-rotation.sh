#!/usr/bin/env bash
# learn2learn 0.2.0: RandomClassRotation turns all classes of a task by the same angle.
#
# It is documented to draw a rotation for each class, and draws them; but what it hands to each image refers to the
# variable of the loop, which by the time the image is loaded contains the angle of the last class. Every image of the task is
# turned by that.
#
# What is used here: images that are black but for one corner, so that the corner tells the turn.
#
# Why it matters: since Santoro et al. (2016), a character turned by 90 degrees is another class, and few-shot learning
# on Omniglot has four times as many classes to train on. With this transform, which learn2learn's Omniglot benchmark
# uses for training and test, no character is ever told from one that is turned differently: a choice of five
# characters gives four tasks instead of 1,024, the same task seen from four sides.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python="$work/venv/bin/python"
"$python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 scipy==1.17.1 pillow==12.0.0 tqdm requests gym==0.26.2 \
    'cython==0.29.37' setuptools==80.9.0 wheel
"$python" -m pip install --quiet --no-compile --no-deps torchvision==0.28.0
"$python" -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation --dest "$work" learn2learn==0.2.0
tar -xzf "$work"/learn2learn-0.2.0.tar.gz -C "$work"
cd "$work/learn2learn-0.2.0"
rm learn2learn/data/*.c # made by a Cython of before Python 3.11, where they do not compile: made anew
"$python" setup.py --quiet build_ext --inplace >build.log 2>&1 || { tail -5 build.log; exit 1; }
"$python" -W ignore - 2>errors <<'PY' || { cat errors; exit 1; }
import random
import sys

import torch

try:
    import torchvision
except RuntimeError:  # a torchvision built for another torch: its operators are not used here
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import learn2learn
from learn2learn.data.transforms import FusedNWaysKShots, LoadData, RemapLabels
from learn2learn.vision.transforms import RandomClassRotation


class Corners(torch.utils.data.Dataset):
    def __len__(self):
        return 50 * 20

    def __getitem__(self, index):
        image = torch.zeros(1, 8, 8)
        image[0, 0, 0] = 1
        return image, index // 20


def turn(image):
    """How many degrees anticlockwise the corner has gone."""
    return next(90 * k for k in range(4) if torch.rot90(image, -k, (1, 2))[0, 0, 0] == 1)


random.seed(0)
data = learn2learn.data.MetaDataset(Corners())
turned = RandomClassRotation(data, [0.0, 90.0, 180.0, 270.0])
transforms = [FusedNWaysKShots(data, n=5, k=2), LoadData(data), RemapLabels(data), turned]
tasks = learn2learn.data.Taskset(data, transforms, num_tasks=-1)
found = []
for _ in range(200):
    images, labels = tasks.sample()
    found.append({int(label): turn(image) for image, label in zip(images, labels)})
print("learn2learn 0.2.0, label -> degrees, in four of 200 tasks of five classes:")
for task in found[:4]:
    print(f"  {dict(sorted(task.items()))}")
alike = sum(len(set(task.values())) == 1 for task in found)
print(f"tasks whose classes are all turned alike: {alike} of 200; with an angle for each class 1 in 256 would be")
assert alike == 200 and len({task[0] for task in found}) == 4, "changed"
print("as found")
PY
