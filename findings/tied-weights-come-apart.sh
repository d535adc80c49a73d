#!/usr/bin/env bash
# learn2learn 0.2.0's MetaSGD and torchopt 0.7.3: weights that two layers share come apart in the inner loop.
#
# A layer that is used twice, or a weight that two layers share:
#   learn2learn  `MetaSGD.adapt` moves the first of the two alone, even where both names mean one and the same layer;
#                `MAML.adapt` moves both;
#   torchopt     `step` makes two tensors of a weight shared by two layers: the first step is right, and from the second
#                on each moves by the gradient of its own use (a layer used twice stays one);
#   higher 0.2.1 is right in both.
#
# Why it matters: what is adapted and meta-trained is another network than the one given, with more parameters. No error, no
# warning; a test of one inner step does not show it in torchopt.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 higher==0.2.1 torchopt==0.7.3
# Of learn2learn a few modules suffice, and are plain Python: its package needs compiled parts that this has no use for.
"$work/venv/bin/python" -m pip install --quiet setuptools cython wheel
"$work/venv/bin/python" -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation --dest "$work" learn2learn==0.2.0
tar -xzf "$work"/learn2learn-0.2.0.tar.gz -C "$work"
"$work/venv/bin/python" -W ignore - "$work/learn2learn-0.2.0/learn2learn" <<'PY'
import sys
import types

import higher
import torch
import torch.nn.functional as F
import torchopt
from torch import nn

for name, folder in (("learn2learn", sys.argv[1]), ("learn2learn.algorithms", sys.argv[1] + "/algorithms")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from learn2learn.algorithms.maml import MAML
from learn2learn.algorithms.meta_sgd import MetaSGD

torch.manual_seed(0)
images, targets = torch.randn(6, 3, dtype=torch.float64), torch.randn(6, dtype=torch.float64)


class Tied(nn.Module):
    def __init__(self, shared):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.head = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1)
        if shared == "layer":
            self.second = self.first
        else:
            self.second.weight, self.second.bias = self.first.weight, self.first.bias
        self.double()

    def forward(self, x):
        return self.head(self.second(self.first(x).tanh()).tanh()).squeeze(1)


def loss(net):
    return F.mse_loss(net(images), targets)


def with_torch(net):
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    while True:
        optimiser.zero_grad()
        loss(net).backward()
        optimiser.step()
        yield net


def with_learn2learn(algorithm):
    def steps(net):
        clone = algorithm(net, lr=0.1).clone()
        while True:
            clone.adapt(loss(clone))
            yield clone.module

    return steps


def with_torchopt(net):
    optimiser = torchopt.MetaSGD(net, lr=0.1)
    while True:
        optimiser.step(loss(net))
        yield net


def with_higher(net):
    with higher.innerloop_ctx(net, torch.optim.SGD(net.parameters(), lr=0.1)) as (functional, optimiser):
        while True:
            optimiser.step(loss(functional))
            yield functional


LIBRARIES = {
    "torch": with_torch,
    "learn2learn 0.2.0, MAML": with_learn2learn(MAML),
    "learn2learn 0.2.0, MetaSGD": with_learn2learn(MetaSGD),
    "torchopt 0.7.3, MetaSGD": with_torchopt,
    "higher 0.2.1, SGD": with_higher,
}
apart = {}
for shared in ("layer", "weight"):
    for library, steps in LIBRARIES.items():
        gaps, losses = [], []
        for _, net in zip(range(2), steps(Tied(shared))):
            gaps.append(float((net.first.weight - net.second.weight).abs().max()))
            losses.append(f"{float(loss(net)):.4f}")
        apart[shared, library] = [gap > 1e-6 for gap in gaps]
        print(f"shared {shared:6}, {library:26}: losses {' '.join(losses)}, the two apart by {gaps[0]:.4f} and {gaps[1]:.4f}")
assert all(apart[shared, "learn2learn 0.2.0, MetaSGD"] == [True, True] for shared in ("layer", "weight")), "changed: MetaSGD"
assert apart["layer", "torchopt 0.7.3, MetaSGD"] == [False, False], "changed: torchopt, a layer"
assert apart["weight", "torchopt 0.7.3, MetaSGD"] == [False, True], "changed: torchopt, a weight"
others = [ways for (_, library), ways in apart.items() if "MetaSGD" not in library]
assert others == [[False, False]] * 6, "changed: the others"
print("as found")
PY
