#!/usr/bin/env bash
# learn2learn 0.2.0: the DropBlock of ResNet-12 drops a fifth or less of its blocks when their number is a multiple of 5; and
# the schedule that raises its rate stands still in MAML, and goes on in evaluation.
#
# It chooses the centres of blocks of 5 x 5 and lists every centre with every offset in a block. Both lists are repeated
# and put side by side, so that pair i is centre i modulo their number with offset i modulo 25: these are all pairs only
# where the number of centres and 25 have no common factor. With 25 centres each gets one offset, and one pixel of 25.
#
# The rate grows with a count of forward passes that is a plain attribute: `MAML.clone()` copies it, so what clones count
# is lost with them; and `eval()` does not stop it.
#
# Why it matters: in one step of five, at random, the regularisation of the field's usual network is a fifth or less of what was
# set; with MAML it stays off. The list of pairs is that of MetaOptNet's code (kjunelee/MetaOptNet, models/dropblock.py), from
# which other projects have it too.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6
# Of learn2learn a few modules suffice, and are plain Python: its package needs compiled parts that this has no use for.
"$work/venv/bin/python" -m pip install --quiet setuptools cython wheel
"$work/venv/bin/python" -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation --dest "$work" learn2learn==0.2.0
tar -xzf "$work"/learn2learn-0.2.0.tar.gz -C "$work"
"$work/venv/bin/python" -W ignore - "$work/learn2learn-0.2.0/learn2learn" <<'PY'
import sys
import types

import torch

for name in ("", ".algorithms", ".vision", ".vision.models"):
    sys.modules["learn2learn" + name] = types.ModuleType("learn2learn" + name)
    sys.modules["learn2learn" + name].__path__ = [sys.argv[1] + name.replace(".", "/")]
from learn2learn.algorithms.maml import MAML
from learn2learn.vision.models.resnet12 import BasicBlock, DropBlock

torch.manual_seed(0)
block = DropBlock(block_size=5)
dropped = {}
for centres in (1, 4, 5, 10, 24, 25, 26):
    mask = torch.zeros(1, 1, 40, 40)
    places = [(6 * row, 6 * column) for row in range(6) for column in range(6)][:centres]
    mask[0, 0, [row for row, _ in places], [column for _, column in places]] = 1
    dropped[centres] = int((block._compute_block_mask(mask) == 0).sum())
    print(f"learn2learn 0.2.0, {centres:2} blocks of 25 that do not overlap: {dropped[centres]:3} of {25 * centres:3} pixels dropped")

block.train()
parts = []
for _ in range(500):
    outputs = block(torch.ones(4, 32, 5, 5), gamma=0.1)
    parts.append(float((outputs == 0).float().mean()))
low = sum(part < 0.04 for part in parts)
print(f"forward passes of 500 at a rate of 10 % that drop less than 4 %: {low}")

layer = BasicBlock(3, 3, drop_rate=0.1, drop_block=True, block_size=5)
images = torch.randn(2, 3, 12, 12)
for _ in range(3):
    MAML(layer, lr=0.1).clone()(images)
cloned = layer.num_batches_tracked
layer.eval()
layer(images)
print(f"its count after three passes of MAML's clones: {cloned}; after one pass in evaluation: {layer.num_batches_tracked}")
full = {centres for centres in dropped if dropped[centres] == 25 * centres}
assert full == {1, 4, 24, 26} and dropped[25] < 50, f"changed: {dropped}"
assert 50 < low < 150, "changed: the share of passes"
assert (cloned, layer.num_batches_tracked) == (0, 1), "changed: the count"
print("as found")
PY
