#!/usr/bin/env bash
# learn2learn 0.2.0 and torchopt 0.7.3: an episode leaves its statistics in the model; higher 0.2.1 takes them back.
#
# Each of the three adapts a copy, or promises to put the model back. Of batch norm's running statistics:
#   learn2learn  `MAML.clone()` copies parameters, but shares buffers: what the clone sees moves the original's statistics;
#   torchopt     `extract_state_dict(..., by="reference")`, its default, refers to the buffers, which torch changes in
#                place, so `recover_state_dict` puts back what is already changed (by="copy" does restore them);
#   higher       `innerloop_ctx` leaves the original as it was.
#
# Why it matters: meta-testing changes the model that is tested, by the support and query images of the test classes. A
# model scored with running statistics depends on which episodes came before and in which order, a checkpoint saved after
# an evaluation is another than before, and the same network has other numbers by the library alone.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 higher==0.2.1 torchopt==0.7.3
# Of learn2learn two modules suffice, and are plain Python: its package needs compiled parts that this has no use for.
"$work/venv/bin/python" -m pip install --quiet setuptools cython wheel
"$work/venv/bin/python" -m pip download --quiet --no-deps --no-binary :all: --no-build-isolation --dest "$work" learn2learn==0.2.0
tar -xzf "$work"/learn2learn-0.2.0.tar.gz -C "$work"
"$work/venv/bin/python" -W ignore - "$work/learn2learn-0.2.0/learn2learn" <<'PY'
import sys
import types

import higher
import torch
import torch.nn.functional as F
import torchopt
from torch import nn

for name, folder in (("learn2learn", sys.argv[1]), ("learn2learn.algorithms", sys.argv[1] + "/algorithms")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from learn2learn.algorithms.maml import MAML

torch.manual_seed(0)
images, labels = torch.randn(10, 1, 8, 8) * 3 + 2, torch.arange(10) % 5


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5))


def with_learn2learn(net):
    clone = MAML(net, lr=0.1).clone()
    clone.adapt(F.cross_entropy(clone(images), labels))
    clone(images)


def with_torchopt(by):
    def episode(net):
        kept = torchopt.extract_state_dict(net, **by)
        optimiser = torchopt.MetaSGD(net, lr=0.1)
        optimiser.step(F.cross_entropy(net(images), labels))
        net(images)
        torchopt.recover_state_dict(net, kept)

    return episode


def with_higher(net):
    with higher.innerloop_ctx(net, torch.optim.SGD(net.parameters(), lr=0.1)) as (functional, optimiser):
        optimiser.step(F.cross_entropy(functional(images), labels))
        functional(images)


EPISODES = {
    "learn2learn 0.2.0": with_learn2learn,
    "torchopt 0.7.3": with_torchopt({}),
    "torchopt 0.7.3, by copy": with_torchopt({"by": "copy"}),
    "higher 0.2.1": with_higher,
}
moved = {}
for name, episode in EPISODES.items():
    net = network()
    before = {key: value.detach().clone() for key, value in net.state_dict().items()}
    episode(net)
    moved[name] = [key for key, value in net.state_dict().items() if not torch.equal(value, before[key])]
    print(f"{name}: after an episode changed in the model: {moved[name] or 'nothing'}")
statistics = ["1.running_mean", "1.running_var", "1.num_batches_tracked"]
assert list(moved.values()) == [statistics, statistics, [], []], f"changed: {moved}"
print("as found")
PY
