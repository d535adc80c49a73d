#!/usr/bin/env bash
# meta-learning-toolkit 2.5.0: its "research-accurate MAML" has the gradient of first-order MAML, and trains nothing.
#
# `ResearchMAML` creates the graph for second derivatives, but then gives the adapted weights to the network through
# `.data`, which cuts it. With `variant="maml"` and `first_order=False` the meta-gradient is that of `fomaml`, to the last
# bit; only the time and memory are those of second order. `MetaLearningToolkit.train_episode` ("train on episode,
# one-liner") makes no step at all: no optimiser is there, `outer_lr` is not used. There is no error and no warning.
#
# What is used here: a network of two layers, and MAML's gradient by torch alone, written out.
#
# Why it matters: who compares MAML with its first-order approximation, as Finn et al. (2017) do, finds no difference,
# and takes that for a result.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 pyyaml \
    requests rich tqdm pillow==12.0.0
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps meta-learning-toolkit==2.5.0
"$work/venv/bin/python" -W ignore - <<'PY'
import torch
from meta_learning import Episode, create_meta_learning_toolkit
from meta_learning.algorithms.maml_research_accurate import create_maml_model
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

torch.set_num_threads(1)
torch.manual_seed(0)
network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
labels = torch.tensor([0, 1, 2] * 2)
support, query = torch.randn(6, 4).double(), torch.randn(6, 4).double()
RATE = 0.5


def library(variant, steps):
    network.zero_grad()
    maml = create_maml_model(network, variant, inner_lr=RATE, inner_steps=steps)
    maml([(support, labels, query, labels)], cross_entropy).backward()
    return torch.cat([weight.grad.flatten() for weight in network.parameters()])


def by_hand(second_order, steps):
    start = {name: weight.detach().requires_grad_() for name, weight in network.named_parameters()}
    adapted = start
    for _ in range(steps):
        loss = cross_entropy(functional_call(network, adapted, (support,)), labels)
        slopes = torch.autograd.grad(loss, tuple(adapted.values()), create_graph=second_order)
        adapted = {name: weight - RATE * slope for (name, weight), slope in zip(adapted.items(), slopes)}
    loss = cross_entropy(functional_call(network, adapted, (query,)), labels)
    return torch.cat([slope.flatten() for slope in torch.autograd.grad(loss, tuple(start.values()))])


def error(found, right):
    return ((found - right).norm() / right.norm()).item()


print("meta-learning-toolkit 2.5.0, relative error of the meta-gradient of variant 'maml'")
for steps in (1, 3, 5):
    maml, fomaml = library("maml", steps), library("fomaml", steps)
    second, first = error(maml, by_hand(True, steps)), error(maml, by_hand(False, steps))
    print(f"  {steps} inner steps: {second:.3f} as MAML, {first:.1e} as first-order MAML")
    assert second > 0.1 and first < 1e-12 and torch.equal(maml, fomaml), "changed"

model = nn.Linear(4, 3)
before = model.weight.detach().clone()
toolkit = create_meta_learning_toolkit(model, "maml", outer_lr=1.0, inner_lr=0.1, inner_steps=1)
for _ in range(10):
    shown = toolkit.train_episode(Episode(support.float(), labels, query.float(), labels))
print(f"ten episodes trained: the weights have moved by {(model.weight - before).abs().max().item()}")
assert torch.equal(model.weight, before), "changed"
print("as found")
PY
