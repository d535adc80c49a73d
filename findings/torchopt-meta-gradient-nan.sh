#!/usr/bin/env bash
# torchopt 0.7.3: one inner gradient that is exactly zero makes the whole meta-gradient NaN, after an inner loop that is fine.
#
# The adaptive optimisers divide by a square root, whose derivative at zero is infinite. `MetaAdam` and `MetaAdamW` have
# `eps_root` against that, zero by default; `MetaRMSProp` and `MetaAdaGrad` have nothing, and the `torch.where` in the latter
# protects the step alone. higher 0.2.1 masks such places, and is right; but not in RMSprop with `centered=True`. torchopt's
# Adamax and Adadelta are not concerned.
#
# Why it matters: exact zeros are the rule. A pixel that is blank in all support images, as at the edge of Omniglot's
# characters, or a dead ReLU has them in every step. Steps and losses are as with torch; only the meta-gradient is lost, all of it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 higher==0.2.1 torchopt==0.7.3
"$work/venv/bin/python" -W ignore - <<'PY'
import higher
import torch
import torch.nn.functional as F
import torchopt
from torch import nn

torch.manual_seed(0)
images, targets = torch.randn(6, 3, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
blank = images.clone()
blank[:, 0] = 0  # one pixel: the first weights have a gradient of exactly zero


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()


def loss(net, x):
    return F.mse_loss(net(x).squeeze(1), targets)


def with_torchopt(name, x, **options):
    net = network()
    leaves = list(net.parameters())
    optimiser = getattr(torchopt, name)(net, lr=0.01, **options)
    for _ in range(2):
        optimiser.step(loss(net, x))
    end = loss(net, x)
    return end, torch.autograd.grad(end, leaves)


def with_higher(name, x, **options):
    net = network()
    inner = getattr(torch.optim, name)(net.parameters(), lr=0.01, **options)
    with higher.innerloop_ctx(net, inner, copy_initial_weights=False) as (functional, optimiser):
        for _ in range(2):
            optimiser.step(loss(functional, x))
        end = loss(functional, x)
        return end, torch.autograd.grad(end, list(net.parameters()))


CASES = [
    (with_torchopt, "MetaAdam", {}, "all"),
    (with_torchopt, "MetaAdam", {"eps_root": 1e-8}, "none"),
    (with_torchopt, "MetaRMSProp", {}, "all"),
    (with_torchopt, "MetaAdaGrad", {}, "all"),
    (with_torchopt, "MetaAdaMax", {}, "none"),
    (with_higher, "Adam", {}, "none"),
    (with_higher, "RMSprop", {}, "none"),
    (with_higher, "RMSprop", {"centered": True}, "all"),
    (with_higher, "Adagrad", {}, "none"),
]
for library, name, options, expected in CASES:
    told, lost = [], []
    for x in (images, blank):
        end, gradient = library(name, x, **options)
        flat = torch.cat([g.flatten() for g in gradient])
        lost.append(int(flat.isnan().sum()))
        told.append(f"loss {float(end):.3f}, {lost[-1]} of {len(flat)} NaN")
        assert end.isfinite(), "changed: the loss"
    title = f"{library.__name__[5:]}, {name} {options or ''}"
    print(f"{title:40}: {told[0]}; with one pixel blank: {told[1]}")
    assert lost == [0, len(flat) if expected == "all" else 0], f"changed: {title}"
print("as found")
PY
