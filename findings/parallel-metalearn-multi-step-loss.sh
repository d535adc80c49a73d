#!/usr/bin/env bash
# parallel-metalearn 0.5.6: MAML++'s multi-step loss is divided by the weights of the steps instead of multiplied.
#
# The weights are those of Antoniou et al. (2019): equal at first, and in the end nearly all on the last step. The loss
# after each inner step is divided by its weight. So in the end the first steps count most, by more than 100 times the
# last: the opposite of what the method is for. The meta-loss is larger by orders of magnitude besides. There is no error
# and no warning; what the function returns is this sum, so that it can be seen there.
#
# What is used here: one weight that starts at 0, tasks whose loss is (w - 1)², and the library's own weights.
#
# Why it matters: "MAML++" with this library trains for the network's quality after the first inner step, and the more so
# the longer it trains. The outer learning rate of a paper is too large by the same factor, but for Adam, which hides it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 tqdm
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps parallel-metalearn==0.5.6
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from metalearn.algorithms import MAML
from metalearn.algorithms.MetaUtils import get_per_step_loss_weights
from metalearn.inner_optimizers import InnerSGD
from metalearn.loss import BaseLoss
from metalearn.model_wrappers import MAML_Model
from torch import nn

torch.set_num_threads(1)
STEPS, EPOCHS, RATE = 3, 100, 0.1


class Squares(BaseLoss):
    def forward(self, out_dict, targets, model_states=None, **kwargs):
        loss = ((out_dict["logits"] - targets["labels"]) ** 2).mean()
        return loss, loss


class Weight(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))

    def forward(self, inputs, **kwargs):
        return inputs * self.w


class Nothing(nn.Module):
    def forward(self, inputs, **kwargs):
        return inputs


def library(epoch):
    """The meta-loss of two tasks, as `step` returns it; the outer learning rate is 0."""
    model = MAML_Model(backbone=Weight(), head=Nothing())
    inner = InnerSGD(model.get_fast_weights(), inner_lr=RATE, max_inner_steps=STEPS, learn_lr=False)
    outer = torch.optim.SGD(model.parameters(), lr=0.0)
    maml = MAML(model=model, optimizer=outer, inner_optimizer=inner, support_loss_fn=Squares(), inner_steps=STEPS,
                multi_step_loss=True, device=torch.device("cpu"))
    inputs, targets = torch.ones(2, 4, 1), {"labels": torch.ones(2, 4, 1)}
    return maml.step(iter([(inputs, targets, inputs, targets)]), training=True, epoch=epoch, epochs=EPOCHS)[0]


w, losses = 0.0, []
for _ in range(STEPS):
    w -= RATE * 2 * (w - 1)
    losses.append((w - 1) ** 2)
print("losses after each inner step:", *(f"{loss:.4f}" for loss in losses))
print("epoch  weights of the steps     the library's loss   sum of weight x loss")
for epoch in (0, 50, 99):
    weights = get_per_step_loss_weights(STEPS, epoch, EPOCHS).tolist()
    found = library(epoch)
    right = sum(weight * loss for weight, loss in zip(weights, losses))
    print(f"{epoch:>5}  {'  '.join(f'{weight:.4f}' for weight in weights):<24} {found:<20.4f} {right:.4f}")
    assert abs(found - sum(loss / weight for weight, loss in zip(weights, losses))) < 1e-3 * found, "changed"
    assert abs(found - right) > 2 * right, "changed"
assert (1 / weights[0]) / (1 / weights[-1]) > 90, "changed"
print(f"as found: in the last epoch the first step counts {weights[-1] / weights[0]:.0f} times the last")
PY
