#!/usr/bin/env bash
# torch 2.13.0: `grad` around `vmap` is silently wrong through native normalisation with an inner gradient inside.
#
# The mean over episodes of "loss after one gradient step" can be differentiated in two ways that are equal on paper:
# grad of the mean of vmap, and the mean of vmap of grad. Through affine batch_norm, layer_norm and instance_norm the first
# gives another gradient for what lies before the normalisation; the second equals a plain loop, and so does either
# through group_norm or through a normalisation written out. No error, no warning.
#
# Why it matters: the first is how MAML with torch.func is usually written (an outer grad, a vmap over tasks, an inner
# grad), on networks that all have batch norm. The error is of a percent or so: training goes on, to other numbers.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import torch
import torch.nn.functional as F
from torch.func import grad, vmap

torch.manual_seed(0)
tasks = torch.randn(3, 8, 4, dtype=torch.float64)
params = {"weight": torch.randn(6, 4), "scale": torch.rand(6) + 0.5, "shift": torch.randn(6)}
params = {name: value.double() for name, value in params.items()}


def by_hand(h, scale, shift):
    return (h - h.mean(0)) / (h.var(0, unbiased=False) + 1e-5).sqrt() * scale + shift


KINDS = {
    "batch_norm": lambda h, scale, shift: F.batch_norm(h, None, None, scale, shift, training=True),
    "layer_norm": lambda h, scale, shift: F.layer_norm(h, (6,), scale, shift),
    "instance_norm": lambda h, scale, shift: F.instance_norm(h.view(2, 4, 6).transpose(1, 2), weight=scale, bias=shift),
    "group_norm": lambda h, scale, shift: F.group_norm(h, 2, scale, shift),
    "by hand": by_hand,
}
found = {}
for kind, normalise in KINDS.items():

    def loss(p, x):
        return normalise(x @ p["weight"].T, p["scale"], p["shift"]).sin().square().mean()

    def after_a_step(p, x):
        step = grad(loss)(p, x)
        return loss({name: p[name] - 0.1 * step[name] for name in p}, x)

    loop = sum(grad(after_a_step)(params, x)["weight"] for x in tasks) / len(tasks)
    outside = grad(lambda p: vmap(lambda x: after_a_step(p, x))(tasks).mean())(params)["weight"]
    inside = vmap(grad(after_a_step), in_dims=(None, 0))(params, tasks)["weight"].mean(0)
    found[kind] = [float((each - loop).norm() / loop.norm()) for each in (outside, inside)]
    print(f"torch {torch.__version__.split('+')[0]}, {kind:13} grad of vmap {found[kind][0]:.1e}, vmap of grad {found[kind][1]:.1e} from the loop")
assert all(inside < 1e-12 for _, inside in found.values()), "changed: vmap of grad"
wrong = {kind for kind, (outside, _) in found.items() if outside > 1e-3}
assert wrong == {"batch_norm", "layer_norm", "instance_norm"}, f"changed: {wrong}"
print("as found")
PY
