#!/usr/bin/env bash
# torchmeta 1.8.0: with `batch_first=True`, `MetaMultiheadAttention` attends across the batch instead of the sequence.
#
# Of batch and sequence it exchanges the axes of the output only, not those of query, key and value. So each position attends
# to the same position of the batch's other sequences and to nothing else of its own; and the output, exchanged though the
# input was not, has the result of sequence i, position j at [j, i]. Where a batch has as many sequences as each has
# members, as a 5-way 5-shot episode seen as 5 sets of 5, nothing gives it away. Its documentation is torch's own: torch's
# module is right with the same weights, and so is torchmeta's with batch_first=False.
#
# torch 2.13.0 is newer than what torchmeta asks for (below 1.10, which Python 3.11 has no package of). The cause is in
# torchmeta's own `forward`, which replaces the one of torch that exchanges the axes; with torch 1.9.1 on Python 3.9 the same
# comes out. A pull request of 2023 (171) would mend it, and was never merged; 1.8.0 is the last release.
#
# Why it matters: a meta-learner with attention over an episode's shots looks at other classes' or other episodes' shots
# instead of at those it should compare. It trains all the same, and what it predicts depends on what it is batched with.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps torchmeta==1.8.0
"$work/venv/bin/python" -W ignore - <<'PY'
import importlib.util
import sys
import types
from importlib.metadata import version

import torch

# Its package's own start would import all its data sets, which ask for torchvision.
folders = importlib.util.find_spec("torchmeta").submodule_search_locations
sys.modules["torchmeta"] = types.ModuleType("torchmeta")
sys.modules["torchmeta"].__path__ = folders
from torchmeta.modules import MetaMultiheadAttention

print(f"torchmeta {version('torchmeta')}, torch {torch.__version__}")
SIZE, LENGTH = 8, 5


def both(batch_first):
    """torchmeta's module and torch's, with the same weights."""
    torch.manual_seed(0)
    modules = [kind(SIZE, 2, batch_first=batch_first) for kind in (MetaMultiheadAttention, torch.nn.MultiheadAttention)]
    modules[0].load_state_dict(modules[1].state_dict())
    return [lambda sets, module=module: module(sets, sets, sets)[0].detach() for module in modules]


torch.manual_seed(1)
sets = torch.randn(LENGTH, LENGTH, SIZE)  # as many sequences as each has members
other = sets.clone()
other[1:] = torch.randn(LENGTH - 1, LENGTH, SIZE)  # the first sequence stays
far = {}
for batch_first in (False, True):
    theirs, right = both(batch_first)
    far[batch_first] = float((theirs(sets) - right(sets)).abs().max())
    print(f"batch_first={batch_first}: largest difference from torch.nn.MultiheadAttention {far[batch_first]:.2g}")
moved = [float((module(sets)[0] - module(other)[0]).abs().max()) for module in (theirs, right)]
print("how much the first sequence's output changes with the other sequences of the batch:", end=" ")
print(f"torchmeta {moved[0]:.2g}, torch {moved[1]:.2g}")

# What it does: attention along the batch, with the output's axes exchanged.
along_the_batch = both(False)[1](sets).transpose(0, 1)
same = float((theirs(sets) - along_the_batch).abs().max())
print(f"difference from attention along the batch, axes exchanged: {same:.2g}")
own = theirs(sets)
for first in (0, 2):  # change one member of one sequence, and see which outputs notice
    changed = sets.clone()
    changed[first, 3] += 1
    noticed = [tuple(place) for place in (theirs(changed) - own).abs().amax(2).gt(1e-6).nonzero().tolist()]
    expected = [tuple(place) for place in (right(changed) - right(sets)).abs().amax(2).gt(1e-6).nonzero().tolist()]
    print(f"member 3 of sequence {first} changed: outputs that notice {noticed}, of torch's {expected}")
    assert expected == [(first, place) for place in range(LENGTH)], f"changed: torch's module, {expected}"
    assert noticed == [(3, place) for place in range(LENGTH)], f"changed: {noticed}"
few = theirs(sets[:3]).shape, right(sets[:3]).shape
print(f"output for 3 sequences of {LENGTH}: torchmeta {list(few[0])}, torch {list(few[1])}")
assert far[False] < 1e-6 and moved[1] < 1e-6, "changed: what is right"
assert far[True] > 0.1 and moved[0] > 0.1 and same < 1e-6, f"changed: {far}, {moved}, {same}"
print("as found")
PY
