#!/usr/bin/env bash
# torchopt 0.7.3: `solve_inv()` solves each parameter tensor on its own, so that most implicit gradients with it are wrong.
#
# It is documented to materialise the matrix A and to solve A x = b by torch.linalg.solve. But of A, whose rows and columns
# are all parameters, it keeps only the block of each tensor with itself: what the weights' gradient says about the bias, or
# about another layer, is dropped. With one parameter tensor it is exact. `solve_cg`, the default `solve_normal_cg` and
# `solve_inv(ns=True)` are right with any number of tensors.
#
# Why it matters: it is the solver one takes for an exact reference, or for a small model's iMAML gradient. Any layer with
# a bias has two tensors. The error is no small one: here most of the bias's meta-gradient is missing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 optree==0.20.0 graphviz==0.21
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps torchopt==0.7.3
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torchopt.diff.implicit import custom_root
from torchopt.linear_solve import solve_cg, solve_inv, solve_normal_cg

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
SHOTS, SIZE, PROXIMAL = 20, 4, 0.1
inputs = 1 + torch.rand(SHOTS, SIZE)
targets = inputs.sum(1) + torch.randn(SHOTS)
with_one = torch.cat([inputs, torch.ones(SHOTS, 1)], 1)
meta = torch.linspace(-1, 1, SIZE + 1).requires_grad_()


def solution(start):
    """The inner minimum in closed form, differentiable: iMAML's regression with a proximal term."""
    gram = with_one.T @ with_one / SHOTS + PROXIMAL * torch.eye(SIZE + 1)
    return torch.linalg.solve(gram, with_one.T @ targets / SHOTS + PROXIMAL * start)


def outer(weights):
    return ((weights - torch.arange(1.0, SIZE + 2)) ** 2).sum()


def inner_loss(weight, bias, start):
    drift = torch.cat([weight, bias]) - start
    return ((inputs @ weight + bias - targets) ** 2).mean() / 2 + PROXIMAL * (drift @ drift) / 2


def one_tensor(solve):
    gradient = torch.func.grad(lambda both, start: inner_loss(both[:SIZE], both[SIZE:], start))
    solver = custom_root(gradient, argnums=1, solve=solve)(lambda both, start: solution(start.detach()))
    return torch.autograd.grad(outer(solver(torch.zeros(SIZE + 1), meta)), meta)[0]


def two_tensors(solve):
    gradient = torch.func.grad(lambda parts, start: inner_loss(*parts, start))
    split = lambda both: (both[:SIZE], both[SIZE:])
    solver = custom_root(gradient, argnums=1, solve=solve)(lambda parts, start: split(solution(start.detach())))
    return torch.autograd.grad(outer(torch.cat(solver(split(torch.zeros(SIZE + 1)), meta))), meta)[0]


exact = torch.autograd.grad(outer(solution(meta)), meta)[0]
print("torchopt 0.7.3: implicit meta-gradient of a linear model with a bias")
print(f"  {'closed form':<46}", *(f"{value:8.3f}" for value in exact))
found = {}
for name, solve in (("solve_inv()", solve_inv()), ("solve_cg()", solve_cg(rtol=1e-10)),
                    ("solve_normal_cg()", solve_normal_cg(rtol=1e-10)),
                    ("solve_inv(ns=True)", solve_inv(ns=True, maxiter=3000, alpha=0.1))):
    for parts, run in (("one tensor", one_tensor), ("weight and bias", two_tensors)):
        found[name, parts] = run(solve)
        print(f"  {name + ', ' + parts:<46}", *(f"{value:8.3f}" for value in found[name, parts]))
wrong = found.pop(("solve_inv()", "weight and bias"))
for given, gradient in found.items():
    assert torch.allclose(gradient, exact, rtol=1e-5, atol=1e-6), f"changed: {given}"
error = float((wrong - exact).norm() / exact.norm())
print(f"relative error of solve_inv() with two tensors: {error:.2f}")
assert error > 0.5 and abs(wrong[-1]) < 0.5 * abs(exact[-1]), "changed: solve_inv() with two tensors"
print("as found")
PY
