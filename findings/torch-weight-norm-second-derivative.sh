#!/usr/bin/env bash
# torch 2.13.0: the second derivative of weight normalisation is silently wrong.
#
# `torch._weight_norm`, which `torch.nn.utils.parametrizations.weight_norm` and the older `torch.nn.utils.weight_norm` go
# through, has a right first derivative. Its second, in the direction of the normalised tensor, is not: torch's own
# `gradgradcheck` rejects it, for a norm over rows and over columns. Over the whole tensor (dim=None) it is right, for
# that goes another way. No error, no warning.
#
# Why it matters: a meta-gradient through an inner step (MAML), a gradient penalty or a Hessian product of any network
# with weight normalisation, the cosine heads of few-shot baselines among them, is wrong by a sizeable part of its length,
# and trains on.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import torch
from torch.autograd import grad, gradcheck, gradgradcheck

torch.manual_seed(0)
direction = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
found = {}
for dim, shape in ((0, (5, 1)), (1, (1, 4))):
    length = torch.rand(shape, dtype=torch.float64).add(0.5).requires_grad_()
    normed = lambda v, g, dim=dim: torch._weight_norm(v, g, dim)  # noqa: E731
    found[dim] = (
        gradcheck(normed, (direction, length), raise_exception=False),
        gradgradcheck(normed, (direction, length), raise_exception=False),
    )
    print(f"torch {torch.__version__.split('+')[0]}, dim {dim}: first derivative right: {found[dim][0]}, second: {found[dim][1]}")

layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 5).double())
images, names = torch.randn(3, 4, dtype=torch.float64), [name for name, _ in layer.named_parameters()]
start = [value.detach().clone() for _, value in layer.named_parameters()]
move = [torch.randn_like(value) for value in start]


def first(values, create_graph):
    out = torch.func.functional_call(layer, dict(zip(names, values)), (images,))
    return grad(out.sin().sum(), values, create_graph=create_graph)


leaves = [value.clone().requires_grad_() for value in start]
product = grad(sum((g * m).sum() for g, m in zip(first(leaves, True), move)), leaves)
step = 1e-5
ends = [first([(v + sign * step * m).requires_grad_() for v, m in zip(start, move)], False) for sign in (1, -1)]
errors = {}
for name, exact, up, down in zip(names, product, *ends):
    difference = (up - down) / (2 * step)
    errors[name.rsplit(".", 1)[-1]] = float((exact - difference).norm() / difference.norm())
print("Hessian product beside finite differences, relative error:", {k: f"{v:.1e}" for k, v in errors.items()})
assert all(ok == (True, False) for ok in found.values()), "changed: gradgradcheck"
assert errors["original0"] < 1e-6 < 0.1 < errors["original1"], "changed: the Hessian product"
print("as found")
PY
