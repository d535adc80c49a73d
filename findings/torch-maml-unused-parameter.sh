#!/usr/bin/env bash
# torch_maml 1.0: with `allow_unused=True`, one parameter without a gradient gives the others' values to the wrong parameters.
#
# The option promises that parameters without a gradient are "simply not updated". But the updated values are listed without
# a place for those, and then paired with all parameters in order: every parameter after the unused one is replaced by that of
# its successor. Where shapes differ the next step fails; where they are equal, as in repeated blocks, nothing is said.
#
# Why it matters: an unused parameter is common in an inner loop (the head of another task, a block that is skipped, a bias
# behind a mask). The adapted model then is another network, and the meta-gradient is that of it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 setuptools wheel
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-build-isolation torch_maml==1.0
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torch import nn
from torch_maml import IngraphGradientDescent, NaiveMAML


class Network(nn.Module):
    """Three blocks of one shape, of which the first is not used."""

    def __init__(self, names):
        super().__init__()
        for name in names:
            setattr(self, name, nn.Linear(4, 4, bias=False))
        for name, scale in (("skipped", 0.0), ("first", 1.0), ("second", 2.0)):
            if name in names:
                getattr(self, name).weight.data = scale * torch.eye(4)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def adapted(names):
    """The scale of each block after one inner step of rate 0.01, and the loss then."""
    network = Network(names)
    torch.manual_seed(0)
    x, y = torch.randn(20, 4), torch.randn(20, 4)
    loss = lambda model, _: ((model(x) - y) ** 2).mean()
    learner = NaiveMAML(network, loss, optimizer=IngraphGradientDescent(0.01))
    updated = learner([None], allow_unused=True).model
    return {name: float(getattr(updated, name).weight.diagonal().mean()) for name in names}, float(loss(updated, None))


alone, loss_alone = adapted(["first", "second"])
among, loss_among = adapted(["skipped", "first", "second"])
print("torch_maml 1.0: mean of each block's diagonal after a small inner step from skipped 0, first 1, second 2")
print("  without the skipped block:", *(f"{name} {value:.3f}" for name, value in alone.items()), f"loss {loss_alone:.4f}")
print("  with it:                  ", *(f"{name} {value:.3f}" for name, value in among.items()), f"loss {loss_among:.4f}")
assert abs(alone["first"] - 1) < 0.1 and abs(alone["second"] - 2) < 0.1, "changed: without an unused parameter"
assert abs(among["skipped"] - alone["first"]) < 1e-6 and abs(among["first"] - alone["second"]) < 1e-6, "changed: with one"
assert abs(loss_among - loss_alone) > 0.01, "changed: the loss"
print("as found")
PY
