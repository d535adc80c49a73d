#!/usr/bin/env bash
# higher 0.2.1: the gradient of Adam's learned second beta is wrong in size and sign, and ASGD's `alpha` gets none.
#
# `override` is there to learn an optimiser's hyperparameters through its steps. Adam's bias correction takes its root
# with Python's `math.sqrt`, ASGD its power with `math.pow`: both make a plain number of the tensor, and the gradient
# through them is lost. For the second beta that is most of it: Adam's first step does not depend on it at all, and yet
# it gets the largest gradient of the three. ASGD's `lr` and `lambd` are a little off. Adam's `lr` and first beta are
# right, and so is SGD. The library says nothing; torch warns once per process of any tensor that becomes a number,
# which `float(loss)` uses up.
#
# Why it matters: to learn the inner optimiser is what the library offers beside MAML. The second beta is pushed, hard,
# in a direction that has nothing to do with the loss, and with it the whole update where the outer gradient's norm is
# clipped.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 higher==0.2.1
"$work/venv/bin/python" -W ignore - <<'PY'
import higher
import torch
from torch import nn, optim

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
CASES = {
    optim.SGD: ({"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, set()),
    optim.Adam: ({"lr": 0.1, "beta 1": 0.9, "beta 2": 0.99}, {"beta 2"}),
    optim.ASGD: ({"lr": 0.1, "lambd": 0.1, "alpha": 0.75}, {"lr", "lambd", "alpha"}),
}
generator = torch.Generator().manual_seed(0)
inputs = torch.randn(10, 8, 3, generator=generator)
targets = torch.randn(10, 8, 2, generator=generator)


def outer(kind, values, steps):
    """The loss on held-out data after so many steps on others, a function of the hyperparameters."""
    torch.manual_seed(1)
    model = nn.Linear(3, 2)
    override = {name: [value] for name, value in values.items() if "beta" not in name}
    if "beta 1" in values:
        override["betas"] = [(values["beta 1"], values["beta 2"])]
    patched = higher.monkeypatch(model)
    optimizer = kind(model.parameters(), lr=0.1)
    inner = higher.get_diff_optim(optimizer, model.parameters(), fmodel=patched, override=override)
    for step in range(steps):
        inner.step(nn.functional.mse_loss(patched(inputs[step]), targets[step]))
    return nn.functional.mse_loss(patched(inputs[-1]), targets[-1])


def difference(kind, given, name, steps, width=1e-5):
    """The derivative by central differences."""
    ends = []
    for sign in (1, -1):
        values = {key: torch.tensor(value + sign * width * (key == name)) for key, value in given.items()}
        ends.append(float(outer(kind, values, steps)))
    return (ends[0] - ends[1]) / (2 * width)


print("higher 0.2.1, torch 2.13.0: gradient of the outer loss by higher / by finite differences")
for kind, (given, wrong) in CASES.items():
    for steps in (1, 3, 8):
        values = {name: torch.tensor(value, requires_grad=True) for name, value in given.items()}
        grads = torch.autograd.grad(outer(kind, values, steps), list(values.values()), allow_unused=True)
        grads = dict(zip(given, (0.0 if grad is None else float(grad) for grad in grads)))
        right = {name: difference(kind, given, name, steps) for name in given}
        pairs = "".join(f"   {name} {grads[name]:8.4f} / {right[name]:8.4f}" for name in given)
        print(f"  {kind.__name__:<5} {steps} steps{pairs}")
        for name in given:
            close = abs(grads[name] - right[name]) < 1e-4 + 1e-3 * abs(right[name])
            if name not in wrong:
                assert close, f"changed: {name} of {kind.__name__}"
            elif kind is optim.Adam or steps > 1:  # ASGD's power is first used in its second step
                assert not close, f"changed: {name} of {kind.__name__}"
print("as found")
PY
