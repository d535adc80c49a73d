#!/usr/bin/env bash
# higher 0.2.1: it drops `maximize` of torch's optimisers and `decoupled_weight_decay` of Adam, and its `eps` differs.
#
# A differentiable optimiser is made from one of torch's, with its settings. Those that torch got after this last
# release of higher are in the parameter groups it copies, and are not looked at: with `maximize=True` all eight
# descend, and Adam with `decoupled_weight_decay=True`, which is AdamW, decays like Adam (AdamW itself raises an error).
# Adam's `eps` is added before the bias correction, as torch did once: in the first step it counts 32 times as much. The
# default 1e-8 hides this. There is no error and no warning. The older settings agree with torch.
#
# Why it matters: an inner loop that is to maximise, as for a reward, adversarial examples or a dual problem, does the
# opposite; and meta-training with higher adapts otherwise than deployment with the very same torch optimiser.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 higher==0.2.1
"$work/venv/bin/python" -W ignore - <<'PY'
import higher
import torch
from torch import optim

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
STEPS = 5
TARGET = torch.tensor([1.0, -2.0, 0.5])
objective = lambda x: -((x - TARGET) ** 2).sum()  # to be maximised


class Point(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.x = torch.nn.Parameter(torch.tensor([0.2, 0.1, -0.3]))

    def forward(self):
        return objective(self.x)


def by_torch(kind, settings, sign):
    point = Point()
    optimizer = kind(point.parameters(), **settings)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (sign * point()).backward()
        optimizer.step()
    return point.x.detach()


def by_higher(kind, settings, sign):
    point = Point()
    with higher.innerloop_ctx(point, kind(point.parameters(), **settings)) as (patched, inner):
        for _ in range(STEPS):
            inner.step(sign * patched())
        return next(iter(patched.parameters())).detach()


start = objective(Point().x)
print(f"higher 0.2.1, torch 2.13.0: an objective after {STEPS} steps with maximize=True, from {start:.3f}")
KINDS = optim.SGD, optim.Adam, optim.Adagrad, optim.Adadelta, optim.Adamax, optim.ASGD, optim.RMSprop, optim.Rprop
for kind in KINDS:
    settings = {"lr": 0.1, "maximize": True}
    right, found = objective(by_torch(kind, settings, 1)), objective(by_higher(kind, settings, 1))
    print(f"  {kind.__name__:<9} torch {right:8.3f}   higher {found:8.3f}")
    assert found < start < right, f"changed: {kind.__name__}"
    agree = torch.allclose(by_torch(kind, {"lr": 0.1}, -1), by_higher(kind, {"lr": 0.1}, -1), atol=1e-6)
    assert agree, f"changed: {kind.__name__} with its defaults"

print("distance of higher's Adam from torch's after them, minimising")
for extra, same in (({}, True), ({"amsgrad": True}, True), ({"weight_decay": 0.1}, True), ({"eps": 1e-2}, False),
                    ({"weight_decay": 0.1, "decoupled_weight_decay": True}, False)):
    settings = {"lr": 0.1, **extra}
    distance = float((by_torch(optim.Adam, settings, -1) - by_higher(optim.Adam, settings, -1)).norm())
    print(f"  {str(extra or 'defaults'):<55} {distance:.2g}")
    assert (distance < 1e-5) == same and (same or distance > 1e-3), f"changed: Adam with {extra}"
coupled, decoupled = ({"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": yes} for yes in (False, True))
assert torch.equal(by_higher(optim.Adam, coupled, -1), by_higher(optim.Adam, decoupled, -1)), "changed: the decay"
print("as found")
PY
