#!/usr/bin/env bash
# torchopt 0.7.3: `zero_order(method="forward")` gives a gradient that is sigma² too small and does not settle with samples.
#
# Forward finite differences are (f(x + sigma z) - f(x)) z / sigma, averaged over samples of z. The library multiplies by
# sigma where it should divide. And it subtracts f(x) from the first sample only: from each later one it subtracts the
# difference that it has just made, an alternating sum of all samples before, whose variance grows with their number. The
# average of 1,000 samples then is hardly better than that of 10. Only sigma=1 with one sample, the defaults, is right.
# `naive` and `antithetic` of the same function are right.
#
# Why it matters: with sigma=0.01, as in the documentation's example, a meta-gradient is 10,000 times too small, so that
# nothing is learnt, or, where Adam hides the scale, is learnt from noise; more samples, which are paid for, do not help. In
# a comparison of the three methods, forward differences lose.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 optree==0.20.0 graphviz==0.21
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps torchopt==0.7.3
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torchopt.diff.zero_order import zero_order

SIZE, REPEATS = 3, 20
point = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)


def objective(x):
    """Its gradient is 2 x, and that of its Gaussian smoothing is the same for every sigma."""
    return (x * x).sum()


exact = torch.autograd.grad(objective(point), point)[0]
normal = lambda shape: torch.randn(shape, dtype=torch.float64)


def library(method, samples, sigma, seed):
    torch.manual_seed(seed)
    estimated = zero_order(normal, method=method, argnums=0, num_samples=samples, sigma=sigma)(objective)
    return torch.autograd.grad(estimated(point), point)[0]


def formula(_, samples, sigma, seed):
    """Forward differences with the noise that the library draws with this seed."""
    torch.manual_seed(seed)
    x = point.detach()
    noise = [normal(x.shape) for _ in range(samples)]
    return sum((objective(x + sigma * z) - objective(x)) / sigma * z for z in noise) / samples


def error(estimate, *given):
    """Root mean square of the relative error over seeds."""
    found = [((estimate(*given, seed) - exact).norm() / exact.norm()) ** 2 for seed in range(REPEATS)]
    return float(torch.stack(found).mean().sqrt())


print("torchopt 0.7.3: one sample of forward differences over the formula's with the same noise")
for sigma in (1.0, 0.1, 0.01):
    ratio = library("forward", 1, sigma, 0) / formula("forward", 1, sigma, 0)
    print(f"  sigma {sigma:<5}", *(f"{value:.3g}" for value in ratio))
    assert torch.allclose(ratio, torch.full_like(ratio, sigma**2)), "changed: the scale of forward differences"

print("relative error of the gradient (of 1 is that of the zero vector)")
print("  samples                      ", *(f"{n:>8}" for n in (10, 100, 1000)))
seen = {}
for sigma in (1.0, 0.01):
    for name, estimate, method in (("formula, forward", formula, "forward"), ("torchopt, antithetic", library, "antithetic"),
                                   ("torchopt, forward", library, "forward")):
        errors = seen[sigma, name] = [error(estimate, method, n, sigma) for n in (10, 100, 1000)]
        print(f"  {name:<20} sigma {sigma:<4}", *(f"{value:8.3f}" for value in errors))
for sigma in (1.0, 0.01):
    for name in ("formula, forward", "torchopt, antithetic"):
        first, *_, last = seen[sigma, name]
        assert last < 0.15 and first > 5 * last, f"changed: {name}"
assert seen[1.0, "torchopt, forward"][-1] > 0.3 * seen[1.0, "torchopt, forward"][0], "changed: more samples help"
assert seen[1.0, "torchopt, forward"][-1] > 5 * seen[1.0, "formula, forward"][-1], "changed: forward with sigma 1"
assert min(seen[0.01, "torchopt, forward"]) > 0.9, "changed: forward with sigma 0.01"
print("as found")
PY
