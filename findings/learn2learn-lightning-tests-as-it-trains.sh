#!/usr/bin/env bash
# learn2learn 0.2.0: its Lightning ProtoNet, MetaOptNet, ANIL and MAML validate and test in training mode.
#
# Lightning puts a module into evaluation mode before it validates or tests. These four put the network back into
# training mode at the start of every episode: dropout and DropBlock stay on in the test, batch norm normalises the
# queries of an episode together (and, but for MAML, with its support set), and its running statistics, which are saved
# with the model, move with every test episode. Nothing says so, and `eval()` by the caller is undone.
#
# Why it matters: the accuracy that their trainer reports is that of a thinned network, differs from test to test of the
# same weights on the same episodes, and is transductive, while the papers of ProtoNet and MetaOptNet test with running
# statistics and without dropout. Here the same weights score 10 to 36 points more in evaluation mode. MetaOptNet, which is not
# run here because it needs a solver, has the same line as ProtoNet.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 pytorch-lightning==2.6.6 \
    setuptools cython wheel
# Of learn2learn a few modules suffice, and are plain Python: its package needs compiled parts that this has no use for.
"$work/venv/bin/python" -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation --dest "$work" learn2learn==0.2.0
tar -xzf "$work"/learn2learn-0.2.0.tar.gz -C "$work"
cd "$work"
"$work/venv/bin/python" -W ignore - "$work/learn2learn-0.2.0/learn2learn" <<'PY'
import logging
import sys
import types

import pytorch_lightning as lightning
import torch
from torch import nn

for name in ("", ".algorithms"):
    sys.modules["learn2learn" + name] = types.ModuleType("learn2learn" + name)
    sys.modules["learn2learn" + name].__path__ = [sys.argv[1] + name.replace(".", "/")]
sys.modules["learn2learn"].algorithms = sys.modules["learn2learn.algorithms"]
from learn2learn.algorithms.maml import MAML

sys.modules["learn2learn.algorithms"].MAML = MAML
from learn2learn.algorithms.lightning import LightningANIL, LightningMAML, LightningPrototypicalNetworks
from learn2learn.utils.lightning import EpisodicBatcher

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
SHAPE = {"train_queries": 5, "test_queries": 5, "train_shots": 1, "test_shots": 1}


class Episodes:
    """A fixed list of 5-way 1-shot episodes: points of 64 numbers about the mean of their class."""

    def __init__(self):
        random = torch.Generator().manual_seed(0)
        self.all = []
        for _ in range(100):
            means = torch.randn(5, 1, 64, generator=random)
            points = means + 1.2 * torch.randn(5, 6, 64, generator=random)
            self.all.append((points.flatten(0, 1), torch.arange(5).repeat_interleave(6)))

    def sample(self):
        self.all.append(self.all.pop(0))
        return self.all[-1]


def network(*head):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Dropout(0.5), *head)


def protonet():
    return LightningPrototypicalNetworks(network(), **SHAPE)


def anil():
    return LightningANIL(network(), nn.Linear(64, 5), adaptation_lr=0.5, adaptation_steps=5, **SHAPE)


def maml():
    return LightningMAML(network(nn.Linear(64, 5)), adaptation_lr=0.5, adaptation_steps=5, **SHAPE)


def tested(model):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = lightning.Trainer(accelerator="cpu", inference_mode=False, **quiet)  # MAML's test needs gradients
    (found,) = trainer.test(model, EpisodicBatcher(Episodes(), epoch_length=100), verbose=False)
    return 100 * found["test_accuracy"]


torch.set_num_threads(1)
print("learn2learn 0.2.0, accuracy on the same 100 episodes, of the same weights")
for name, make in (("ProtoNet", protonet), ("ANIL", anil), ("MAML", maml)):
    model = make()
    norm = next(part for part in model.modules() if isinstance(part, nn.BatchNorm1d))
    scores = [tested(model) for _ in range(3)]
    moved = int(norm.num_batches_tracked)
    for part in model.modules():
        part.train = lambda mode=True: None  # from here on nothing puts the network into training mode
    model.apply(lambda part: setattr(part, "training", False))
    right = tested(model)
    shown = " ".join(f"{score:.2f}" for score in scores)
    print(f"  {name:<9} tested three times: {shown}; kept in evaluation mode: {right:.2f}; batches counted: {moved}")
    assert len(set(scores)) == 3 and moved >= 300, "changed: it tests in evaluation mode"
    assert right > max(scores) + 5, "changed: the accuracy"
print("as found")
PY
