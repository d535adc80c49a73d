#!/usr/bin/env bash
# hypergrad 0.0.1: `conjugate_gradient` does not converge: more iterations make the implicit gradient worse.
#
# The direction of each iteration is made of the residual before the step instead of the one after it, so that directions are
# not conjugate, and a step size other than 1 also enters the residual. The first iteration is right. `neumann` and `nystrom`
# of the same module converge to the exact implicit gradient, and so does a conjugate gradient as the textbooks have it.
#
# Why it matters: it is what iMAML's meta-gradient is made of. More iterations, which should buy accuracy and are paid for,
# make the gradient worse, without an error: the comparison of the three methods that the library was made for comes out
# against conjugate gradients.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6
# Without torchvision, which it asks for and these functions do not use.
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps hypergrad==0.0.1
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from hypergrad.approx_hypergrad import conjugate_gradient, neumann, nystrom

torch.manual_seed(0)
SIZE = 6
basis = torch.linalg.qr(torch.randn(SIZE, SIZE, dtype=torch.float64))[0]
hessian = basis @ torch.diag(torch.linspace(0.3, 1.5, SIZE, dtype=torch.float64)) @ basis.T
target = torch.randn(SIZE, dtype=torch.float64)
outer = torch.randn(SIZE, dtype=torch.float64)


def inner_loss(weights, meta):
    """Quadratic in the weights, as iMAML's: its minimum is where hessian @ weights = meta."""
    return weights[0] @ hessian @ weights[0] / 2 - weights[0] @ meta[0]


def outer_loss(weights, meta):
    return ((weights[0] - target) ** 2).sum() / 2


solved = torch.linalg.solve(hessian, outer)
exact = torch.linalg.solve(hessian, solved - target)  # by the implicit function theorem
error = lambda found: float((found[0] - exact).norm() / exact.norm())
given = inner_loss, outer_loss, (solved,), (outer,)


def textbook(iterations):
    """Hestenes and Stiefel 1952."""
    x, r = torch.zeros_like(exact), solved - target
    p = r
    for _ in range(iterations):
        step = (r @ r) / (p @ hessian @ p)
        x, last, r = x + step * p, r, r - step * hessian @ p
        p = r + (r @ r) / (last @ last) * p
    return (x,)


print("hypergrad 0.0.1: relative error of the implicit gradient, for a Hessian with eigenvalues from 0.3 to 1.5")
print("iterations                          ", *(f"{n:>8}" for n in (1, 2, 6, 12)))
theirs = [error(conjugate_gradient(*given, num_iters=n, lr=1.0)) for n in (1, 2, 6, 12)]
half = [error(conjugate_gradient(*given, num_iters=n, lr=0.5)) for n in (1, 2, 6, 12)]
right = [error(textbook(n)) for n in (1, 2, 6)]
for name, errors in (("conjugate_gradient, lr=1", theirs), ("conjugate_gradient, lr=0.5", half), ("textbook", right)):
    print(f"{name:<36}", *(f"{value:8.2g}" for value in errors))
others = error(neumann(*given, num_iters=200, lr=0.5)), error(nystrom(*given, rank=SIZE, rho=1e-6))
print(f"neumann, 200 terms {others[0]:.2g}; nystrom, full rank {others[1]:.2g}")
assert abs(theirs[0] - right[0]) < 1e-9 and right[2] < 1e-6 and max(others) < 1e-3, "changed: what is right"
assert min(theirs + half) > 0.4 and theirs[-1] > theirs[0] and half[-1] > half[0], "changed: conjugate gradients"
print("as found")
PY
