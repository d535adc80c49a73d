#!/usr/bin/env bash
# Prototypical networks of mmfewshot 0.1.0 and easyfsl 1.5.0 score with the distance, not with its square.
#
# Snell, Swersky and Zemel (2017) score a query with the negative squared Euclidean distance to each prototype: the mean
# of a class is its best representative for squared distances, and the scores are then a linear model of the embedding.
# `PrototypeHead` of mmfewshot and `PrototypicalNetworks` of easyfsl take the root, which predicts the same class but
# trains another network: the loss of the same embeddings is another, its gradient points elsewhere, and the scores grow
# with the embeddings' length instead of its square. Neither has an option, and both name the paper as their source.
# torchmeta 1.8.0 squares, as the authors' code does.
#
# Why it matters: a ProtoNet trained with one of these is not the paper's, nor comparable with one trained with the
# others; weights may be exchanged for predictions, but losses and probabilities may not.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 "setuptools<81" wheel \
    pillow==13.0.0 pyyaml==6.0.4 addict==2.4.0 opencv-python-headless==5.0.0.93 packaging==26.4 matplotlib==3.11.2 \
    terminaltables==3.1.10 yapf==0.43.0
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps --no-build-isolation mmcv==1.4.0 mmcls==0.15.0 \
    mmfewshot==0.1.0 easyfsl==1.5.0 torchmeta==1.8.0
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import sys
import types
from pathlib import Path

# Parts of the packages, without what they import for data and for object detection; torchvision is not used.
parts = ("mmfewshot", "easyfsl", "easyfsl.methods", "torchmeta", "torchmeta.utils", "torchvision", "torchvision.models")
for name in parts:
    sys.modules[name] = types.ModuleType(name)
    part = name.replace(".", "/")
    sys.modules[name].__path__ = [str(Path(path, part)) for path in sys.path if Path(path, part).is_dir()]
sys.modules["torchvision"].models = sys.modules["torchvision.models"]

import torch
from torch import nn
from torch.nn.functional import cosine_similarity, cross_entropy

WAYS, SHOTS, QUERIES, SIZE = 5, 5, 15, 16
torch.manual_seed(0)
support_labels, labels = torch.arange(WAYS).repeat_interleave(SHOTS), torch.arange(WAYS).repeat_interleave(QUERIES)
centres = torch.randn(WAYS, SIZE, dtype=torch.double)
support = centres[support_labels] + 2 * torch.randn(WAYS * SHOTS, SIZE, dtype=torch.double)
query = (centres[labels] + 2 * torch.randn(WAYS * QUERIES, SIZE, dtype=torch.double)).requires_grad_()


def mmfewshot(support, query):
    from mmfewshot.classification.models.heads import PrototypeHead

    return PrototypeHead().forward_train(support, support_labels, query, labels)["loss"]


def easyfsl(support, query):
    from easyfsl.methods.prototypical_networks import PrototypicalNetworks

    network = PrototypicalNetworks(nn.Identity())
    network.process_support_set(support, support_labels)
    return cross_entropy(network(query), labels)


def torchmeta(support, query):
    from torchmeta.utils.prototype import get_prototypes, prototypical_loss

    prototypes = get_prototypes(support[None], support_labels[None], WAYS)
    return prototypical_loss(prototypes, query[None], labels[None])


def formula(power):
    def loss(support, query):
        means = support.unflatten(0, (WAYS, SHOTS)).mean(1)
        return cross_entropy(-((query[:, None] - means) ** 2).sum(-1) ** (power / 2), labels)

    return loss


def found(loss):
    value = loss(support, query)
    return value.item(), torch.autograd.grad(value, query)[0].flatten()


distance, square = found(formula(1)), found(formula(2))
print(f"an episode's embeddings: the paper's loss {square[0]:.4f}, with the root {distance[0]:.4f}")
print("                    loss  gradient along the paper's (cosine)  along the root's")
for library, rooted in ((mmfewshot, True), (easyfsl, True), (torchmeta, False)):
    value, gradient = found(library)
    along = [cosine_similarity(gradient, each[1], dim=0).item() for each in (square, distance)]
    print(f"{library.__name__:14}  {value:8.4f}  {along[0]:35.3f}  {along[1]:16.3f}")
    expected = distance if rooted else square
    assert abs(value - expected[0]) < 1e-6, f"changed: the loss of {library.__name__}"
    assert torch.allclose(gradient, expected[1], atol=1e-6), f"changed: the gradient of {library.__name__}"
assert cosine_similarity(distance[1], square[1], dim=0) < 0.99
print("as found")
PY
