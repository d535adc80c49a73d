#!/usr/bin/env bash
# learn2learn 0.2.0: the tasks of its Omniglot benchmark for training and for test have the same classes.
#
# `get_tasksets("omniglot")` shuffles 1,623 classes and filters three data sets, 1,100, 100 and 423; but the transforms that
# choose and load a task's images are given the unfiltered one. So each of the three samples from all 1,623 classes. Its
# miniImageNet benchmark is not so.
#
# What is replaced here: the data set alone, whose download is left out; an image is filled with its class's number, which
# no rotation changes.
#
# Why it matters: what is "test" was trained on. Accuracies on "held-out" characters made with this benchmark are of
# characters that training saw, and are too high; published comparisons on Omniglot use it.
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
"$python" -W ignore - 2>/dev/null <<'PY'
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


class Numbered(torch.utils.data.Dataset):
    def __init__(self, root, transform=None, download=False):
        pass

    def __len__(self):
        return 1623 * 20

    def __getitem__(self, index):
        return torch.full((1, 4, 4), float(index // 20)), index // 20


learn2learn.vision.datasets.FullOmniglot = Numbered
random.seed(0)
tasks = learn2learn.vision.benchmarks.get_tasksets("omniglot", 5, 2, 5, 2, num_tasks=-1, root=".")
seen = {}
for name in ("train", "test"):
    seen[name] = {int(image.mean().round()) for _ in range(1500) for image in getattr(tasks, name).sample()[0]}
    print(f"learn2learn 0.2.0: 1,500 tasks of {name} have {len(seen[name])} classes")
both = len(seen["train"] & seen["test"])
print(f"in both: {both}")
assert len(seen["train"]) > 1100 and len(seen["test"]) > 423 and both > 1000, "changed"
print("as found")
PY
