#!/usr/bin/env bash
# torchcross 0.0.6: testing MAML changes the model: each test task adapts what the one before has adapted.
#
# Between tasks, `MAML` and `CrossDomainMAML` put back a copy of the weights that was made "by reference". That is right
# in training, where the differentiable optimiser makes new tensors; but in evaluation an ordinary optimiser changes the
# weights in place, and with them what is put back. So nothing is put back: the steps of all tasks add up, and remain
# after the evaluation. An inner Adam keeps its moments from task to task besides. There is no error and no warning.
#
# What is used here: the same task three times, so that its outputs must be the same.
#
# Why it matters: every evaluation during training (validation of each epoch) trains the model on the classes of
# validation, at the rate of the inner loop; the test score depends on the order of the tasks and on how many there are;
# and what is tested is no longer a model that has seen its support set only.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 torchopt==0.7.3 torchmetrics==1.8.2 \
    lightning==2.6.6 omegaconf==2.3.0
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps torchcross==0.0.6
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
import torchopt
from torch import nn
from torchcross.data.task import Task, TaskDescription, TaskTarget
from torchcross.models.maml import MAML, CrossDomainMAML

torch.set_num_threads(1)
CLASSES = TaskDescription(TaskTarget.MULTICLASS_CLASSIFICATION, {label: str(label) for label in range(3)})
torch.manual_seed(0)
support = torch.randn(6, 1, 2, 2), torch.tensor([0, 1, 2] * 2)
task = Task(support, (torch.randn(5, 1, 2, 2), None), CLASSES)


def backbone():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.Tanh())


def meta(network):
    return torchopt.MetaSGD(network, lr=0.5)


def sgd(weights):
    return torchopt.SGD(weights, lr=0.5)


def adam(weights):
    return torchopt.Adam(weights, lr=0.1)


def maml(inner):
    network = backbone()
    network(support[0])  # gives the lazy layer its size
    return MAML(network, 8, CLASSES, meta, inner, num_inner_steps=3)


def cross_domain(inner):
    network = backbone()
    network(support[0].expand(-1, 3, -1, -1))
    return CrossDomainMAML(network, 8, meta, inner, num_inner_steps=3)


print("torchcross 0.0.6: an output for the same task, three times; how far the weights have moved")
for name, model in (("MAML, SGD", maml(sgd)), ("MAML, Adam", maml(adam)), ("CrossDomainMAML, SGD", cross_domain(sgd))):
    for mode in ("training", "evaluation"):
        model.train(mode == "training")
        before = torch.cat([weight.detach().flatten().clone() for weight in model.parameters()])
        outputs = model([task] * 3)
        after = torch.cat([weight.detach().flatten() for weight in model.parameters()])
        same = all(torch.allclose(output, outputs[0]) for output in outputs)
        moved = (after - before).abs().max().item()
        print(f"  {name:<22}{mode:<12}", *(f"{output[0, 0].item():8.4f}" for output in outputs), f"  moved {moved:.4f}")
        assert same == (mode == "training") and (moved > 0.01) == (mode == "evaluation"), "changed"
print("as found")
PY
