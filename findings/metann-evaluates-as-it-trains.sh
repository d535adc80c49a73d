#!/usr/bin/env bash
# metann 0.3.2: in evaluation mode its MAML adapts with the training's steps, and with dropout on.
#
# `MAML(model, steps_train, steps_eval, lr)` chooses the steps by its mode and then hands on `steps_train` in either; MAML++ does
# the same. The learner inside switches the model to training before it adapts, and what it gives back stays so: dropout
# drops units of the queries, and the user's model is in training mode after `eval()`.
#
# Why it matters: 5 steps in training and 10 at test is how miniImageNet's numbers are made. Whoever sets `steps_eval=10`
# reports 5 steps as 10, and finds that more steps at test change nothing at all.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps MetaNN==0.3.2
"$work/venv/bin/python" -W ignore - <<'PY'
import sys
import types

# torch 2 has dropped this module, of which metann takes one name.
sys.modules["torch._six"] = types.SimpleNamespace(string_classes=str)
import torch

torch._six = sys.modules["torch._six"]
from metann.meta import MAML, MAMLpp
from torch import nn
from torch.nn.functional import cross_entropy

torch.manual_seed(0)
x, y = torch.randn(25, 8), torch.arange(5).repeat(5)
network = nn.Linear(8, 5)


def after(steps):
    """The loss on the support set after some steps of gradient descent of rate 0.5, worked out here."""
    weight, bias = (p.detach().clone().requires_grad_() for p in network.parameters())
    for _ in range(steps):
        gradients = torch.autograd.grad(cross_entropy(x @ weight.T + bias, y), (weight, bias))
        weight, bias = ((p - 0.5 * g).detach().requires_grad_() for p, g in zip((weight, bias), gradients))
    return cross_entropy(x @ weight.T + bias, y).item()


print("metann 0.3.2: loss of the support set after adaptation in evaluation mode, 1 step in training")
found = {}
for kind in (MAML, MAMLpp):
    for steps in (1, 10, 100):
        learner = kind(network, steps_train=1, steps_eval=steps, lr=0.5).eval()
        found[kind.__name__, steps] = cross_entropy(learner((x, y))(x), y).item()
        print(f"  {kind.__name__:<6} steps_eval={steps:<3} {found[kind.__name__, steps]:.4f}; {steps} steps give {after(steps):.4f}")
assert all(abs(value - after(1)) < 1e-5 for value in found.values()) and after(10) < after(1) - 0.05, "changed: the steps"

dropping = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 5))
learner = MAML(dropping, steps_train=1, steps_eval=1, lr=0.5).eval()
adapted = learner((x, y))
differing = (adapted(x) - adapted(x)).abs().max().item()
print(f"after eval(): the model's training mode is {dropping.training}, and two passes of one batch differ by {differing:.2f}")
assert dropping.training and differing > 0.01, "changed: the mode"
print("as found")
PY
