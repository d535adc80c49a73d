#!/usr/bin/env bash
# learn2learn 0.2.0: `data_augmentation="lee2019"` makes negatives of miniImageNet's training images, and leaves the test
# images 255 times too bright.
#
# Its miniImageNet has pixels from 0 to 255 as floats. For training, `ToPILImage` takes floats to be from 0 to 1: it
# multiplies by 255 and casts to eight bits, of which the lowest are kept (on x86; C does not define it), and 255 v is -v
# modulo 256: a negative, of which black alone stays black. For validation and test there is only the normalisation, whose mean and deviation are those of pixels from
# 0 to 1. Without the argument, pixels are from 0 to 255; with "normalize", from 0 to 1.
#
# Why it matters: a network is trained on negatives and tested on positives, in another range of values, without an error or
# a warning. "lee2019" is the augmentation of MetaOptNet (Lee et al., 2019), and is named to compare with it.
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
import os
import pickle
import sys

import numpy as np
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
from torchvision.transforms import ToPILImage

# Files in the form of miniImageNet's: ten classes of four images, each of one grey, from 20 to 215.
greys = np.linspace(20, 215, 40).astype(np.uint8)
os.mkdir("data")
for split in ("train", "validation", "test"):
    images = np.broadcast_to(greys[:, None, None, None], (40, 84, 84, 3)).copy()
    classes = {f"n{k:08d}": list(range(4 * k, 4 * k + 4)) for k in range(10)}
    with open(f"data/mini-imagenet-cache-{split}.pkl", "wb") as file:
        pickle.dump({"image_data": images, "class_dict": classes}, file)


def ranges(augmentation):
    shape = {"train_ways": 5, "train_samples": 2, "test_ways": 5, "test_samples": 2}
    sets = learn2learn.vision.benchmarks.get_tasksets(
        "mini-imagenet", root="data", data_augmentation=augmentation, num_tasks=20, **shape
    )
    seen = {}
    for split in ("train", "test"):
        pixels = torch.cat([getattr(sets, split).sample()[0] for _ in range(20)])
        seen[split] = (float(pixels.min()), float(pixels.max()))
    return seen


found = {augmentation: ranges(augmentation) for augmentation in (None, "normalize", "lee2019")}
for augmentation, seen in found.items():
    print(f"learn2learn 0.2.0, {augmentation}: " + ", ".join(f"{k} {v[0]:.2f} to {v[1]:.2f}" for k, v in seen.items()))
ramp = torch.arange(256.0).expand(3, 1, 256)
picture = np.asarray(ToPILImage()(ramp))[0, :, 0]
print(f"its ToPILImage on pixels 0, 1, 2, 128, 254, 255: {picture[[0, 1, 2, 128, 254, 255]].tolist()}")
assert (picture == -np.arange(256) % 256).all(), "changed: no negative"
assert found["normalize"]["test"][1] <= 1 < 200 < found[None]["test"][1], "changed: the pixels"
assert found["lee2019"]["train"][1] < 4 < 500 < found["lee2019"]["test"][1], "changed: lee2019"
print("as found")
PY
