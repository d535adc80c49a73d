#!/usr/bin/env bash
# hypergrad 0.0.1: with momentum, its differentiable SGD does not differentiate through the first inner step.
#
# `diff_sgd` keeps the first gradient as the momentum's buffer, detached, and then takes the step with that buffer. What the
# first step owes to the meta-parameters is lost, and with it its share of all later steps. Nesterov's step still holds the
# gradient itself, and loses only a part; without momentum everything is right.
#
# Why it matters: meta-learning of a loss, of weights of examples, of augmentation takes its gradient through just these
# steps. With one inner step the meta-gradient is exactly zero and nothing is learned; with more it is wrong without a word.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6
# Without torchvision, which it asks for and this function does not use.
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps hypergrad==0.0.1
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from hypergrad.optimizers import diff_sgd


def after(meta, steps, momentum, nesterov=False):
    """The weight after some steps on the loss (weight - meta)^2 / 2, from 0."""
    weights, state = [torch.zeros((), dtype=torch.float64)], None
    for _ in range(steps):
        gradients = [weights[0] - meta]
        weights, state = diff_sgd(weights, gradients, state, 0.0, momentum, 0.1, nesterov=nesterov)
    return weights[0]


def meta_gradients(**options):
    """By automatic differentiation, and by central differences, which are exact for a function that is linear."""
    meta = torch.ones((), dtype=torch.float64, requires_grad=True)
    weight = after(meta, **options)
    found = torch.autograd.grad(weight, meta)[0].item() if weight.requires_grad else 0.0
    with torch.no_grad():
        true = (after(meta + 0.5, **options) - after(meta - 0.5, **options)).item()
    return found, true


found = {(m, n, s): meta_gradients(steps=s, momentum=m, nesterov=n) for m, n in ((0.0, False), (0.9, False), (0.9, True)) for s in (1, 2, 5)}
print("hypergrad 0.0.1: meta-gradient of the weight after some inner steps")
for (momentum, nesterov, steps), (theirs, true) in found.items():
    name = f"momentum {momentum}" + (", Nesterov" if nesterov else "")
    print(f"  {name:<23} {steps} steps: {theirs:.4f}, by differences {true:.4f}")
assert all(abs(a - b) < 1e-9 for (m, _, _), (a, b) in found.items() if m == 0), "changed: without momentum"
assert found[0.9, False, 1][0] == 0 and all(b - a > 0.05 for (m, n, _), (a, b) in found.items() if m), "changed: momentum"
print("as found")
PY
