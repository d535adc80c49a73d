#!/usr/bin/env bash
# torchopt 0.7.3: the meta-gradient through an inner step with clipped gradients is not that of the clipped step.
#
# `torchopt.chain(torchopt.clip.clip_grad_norm(...), torchopt.sgd(...))` in a `MetaOptimizer` makes the right inner steps. But
# the factor by which a gradient is shortened depends on that gradient, and is taken for a constant: it is computed
# without a graph. So the meta-gradient lacks a term wherever a gradient is clipped; where none is, it is exact.
#
# Why it matters: that an optimiser of torchopt is differentiable is what it is for. Inner gradients are clipped where MAML
# diverges, and nearly all of them are then, at first. No error, no warning: training goes on, by another gradient.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 torchopt==0.7.3
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
import torch.nn.functional as F
import torchopt
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

torch.manual_seed(0)
images, targets = torch.randn(6, 3, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
start = parameters_to_vector(model.parameters()).detach()
STEPS, RATE = 2, 0.5


def network(values):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    vector_to_parameters(values.clone(), net.parameters())
    return net


def loss(net):
    return F.mse_loss(net(images).squeeze(1), targets)


def after_steps(values, longest):
    """The loss after torch's own steps, clipped by torch."""
    net = network(values)
    optimiser = torch.optim.SGD(net.parameters(), lr=RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss(net).backward()
        nn.utils.clip_grad_norm_(net.parameters(), longest)
        optimiser.step()
    return float(loss(net))


def with_torchopt(longest):
    net = network(start)
    leaves = list(net.parameters())
    clip = torchopt.clip.clip_grad_norm(max_norm=longest)
    optimiser = torchopt.MetaOptimizer(net, torchopt.chain(clip, torchopt.sgd(lr=RATE, moment_requires_grad=True)))
    for _ in range(STEPS):
        optimiser.step(loss(net))
    end = loss(net)
    return float(end), parameters_to_vector(torch.autograd.grad(end, leaves))


found = {}
for longest in (1e9, 0.1):
    end, exact = with_torchopt(longest)
    small = 1e-6 * torch.eye(len(start), dtype=torch.float64)
    ends = [after_steps(start + move, longest) - after_steps(start - move, longest) for move in small]
    difference = torch.tensor(ends, dtype=torch.float64) / 2e-6
    found[longest] = float((exact - difference).norm() / difference.norm())
    print(f"torchopt 0.7.3, clipped to {longest:g}: loss after the inner steps {abs(end - after_steps(start, longest)):.0e} from torch's,")
    print(f"  meta-gradient beside finite differences, relative error: {found[longest]:.1e}")
    assert abs(end - after_steps(start, longest)) < 1e-6, "changed: the steps"
assert found[1e9] < 1e-6 < 0.05 < found[0.1], "changed: the meta-gradient"
print("as found")
PY
