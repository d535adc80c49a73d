#!/usr/bin/env bash
# torch_maml 1.0: `IngraphRMSProp` with momentum divides what it has accumulated by the gradients' size again at every step.
#
# The list of accumulated gradients and the list of updates are one object: scaling the updates scales the momentum that is
# kept, and the next step scales it once more. Where gradients are smaller than the momentum coefficient, the inner loop
# grows geometrically; where they are large, there is no momentum. RMSProp's point is that the size of gradients does not
# matter: that holds here without momentum, and with it for torch's RMSprop and for both orders of scaling and momentum.
#
# Why it matters: nothing fails. An inner loop that works explodes once the loss is averaged instead of summed, or once
# training makes its gradients small; the meta-gradient goes through the same wrong path.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 setuptools wheel
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-build-isolation torch_maml==1.0
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from torch import nn
from torch_maml import IngraphRMSProp, NaiveMAML

STEPS, RATE, BETA, EPSILON = 8, 0.01, 0.9, 1e-12
SCALES = (100.0, 10.0, 1.0, 0.1, 0.01)
torch.manual_seed(0)
inputs, targets = torch.randn(50, 3).double(), 10 + torch.randn(50, 1).double()


def moved(scale, run):
    """How far the weights come when the loss, whose minimum is far away, is multiplied by a number."""
    torch.manual_seed(1)
    model = nn.Linear(3, 1).double()
    start = model.weight.detach().clone(), model.bias.detach().clone()
    end = run(model, lambda net: scale * ((net(inputs) - targets) ** 2).mean())
    return float(sum(((a - b) ** 2).sum() for a, b in zip(start, end)) ** 0.5)


def library(momentum):
    def run(model, loss):
        optimizer = IngraphRMSProp(learning_rate=RATE, momentum=momentum, beta=BETA, epsilon=EPSILON)
        learner = NaiveMAML(model, lambda net, _: loss(net), optimizer=optimizer)
        end = learner([None] * STEPS).model
        return end.weight.detach(), end.bias.detach()

    return run


def formula(momentum, scale_first):
    """By hand, with the library's start of the average, momentum of scaled gradients or scaled momentum of gradients."""
    def run(model, loss):
        average = buffer = None
        for _ in range(STEPS):
            gradient = torch.autograd.grad(loss(model), [model.weight, model.bias])
            square = [g * g for g in gradient]
            average = square if average is None else [BETA * a + (1 - BETA) * s for a, s in zip(average, square)]
            rooted = [(a + EPSILON) ** 0.5 for a in average]
            given = [g / r for g, r in zip(gradient, rooted)] if scale_first else gradient
            buffer = list(given) if buffer is None else [momentum * b + g for b, g in zip(buffer, given)]
            update = buffer if scale_first else [b / r for b, r in zip(buffer, rooted)]
            with torch.no_grad():
                model.weight -= RATE * update[0]
                model.bias -= RATE * update[1]
        return model.weight.detach(), model.bias.detach()

    return run


def reference(model, loss):
    optimizer = torch.optim.RMSprop(model.parameters(), lr=RATE, momentum=0.9, alpha=BETA, eps=EPSILON)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()
    return model.weight.detach(), model.bias.detach()


print(f"torch_maml 1.0: how far the weights come in {STEPS} inner steps of RMSProp, with rate {RATE}")
print(f"  {'loss multiplied by':<34}", *(f"{scale:>9g}" for scale in SCALES))
seen = {}
for name, run in (("torch_maml, no momentum", library(None)), ("formula, no momentum", formula(0.0, True)),
                  ("torch.optim, momentum 0.9", reference), ("formula, momentum of scaled", formula(0.9, True)),
                  ("formula, scaled momentum", formula(0.9, False)), ("torch_maml, momentum 0.9", library(0.9))):
    seen[name] = [moved(scale, run) for scale in SCALES]
    print(f"  {name:<34}", *(f"{value:9.4g}" for value in seen[name]))
wrong = seen.pop("torch_maml, momentum 0.9")
for name, distances in seen.items():
    assert max(distances) - min(distances) < 0.01 * max(distances), f"changed: {name} depends on the scale"
plain, right = seen["torch_maml, no momentum"], seen["formula, momentum of scaled"]
assert abs(plain[0] / seen["formula, no momentum"][0] - 1) < 1e-3, "changed: no momentum"
assert wrong[0] < 1.1 * plain[0] < 0.5 * right[0], "changed: large gradients have momentum"
assert wrong[-1] > 1000 * right[-1], "changed: small gradients do not explode"
print("as found")
PY
