#!/usr/bin/env bash
# paddlefsl 1.1.0: what its convolutional networks keep as batch norm's running statistics is nine tenths the last batch.
#
# `backbones.Conv` (the four blocks of MAML and ProtoNet) gives Paddle's batch norm the momentum 0.1, as one does in PyTorch.
# In Paddle the momentum is the share of the old value that stays (its default is 0.9), so that after each batch the
# statistics are 0.9 of that batch and 0.1 of everything before. `Uniform()` as initializer of the scales is from -1 to 1 in
# Paddle, so that half of them start below zero; before PyTorch 1.2 its batch norm drew them from 0 to 1.
#
# Why it matters: its ProtoNet is tested in evaluation mode, with the statistics of the last training episode's queries, which
# describe that episode's few classes. The 48.85 and 66.87 (miniImageNet) and 98.27 and 99.37 (Omniglot) that are quoted from
# it depend on which episode came last; who ports the network to another library, with 0.1 as it stands, gets other statistics.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile paddlepaddle==3.3.1 paddlefsl==1.1.0 numpy==2.4.6
# The module of the network is executed by itself: its package also imports pahelix, for molecules, which is not on PyPI.
"$work/venv/bin/python" -W ignore - 2>/dev/null <<'PY'
import importlib.util

import numpy as np
import paddle

package = importlib.util.find_spec("paddlefsl").submodule_search_locations[0]
spec = importlib.util.spec_from_file_location("conv", f"{package}/backbones/conv.py")
backbone = importlib.util.module_from_spec(spec)
spec.loader.exec_module(backbone)

random = np.random.default_rng(0)
patterns = random.random((40, 1, 28, 28), dtype=np.float32)


def episode():
    """75 queries of five of 40 classes."""
    noise = 0.3 * random.standard_normal((5, 15, 1, 28, 28), dtype=np.float32)
    return paddle.to_tensor((patterns[random.choice(40, 5, replace=False), None] + noise).reshape(75, 1, 28, 28))


def moved_by_one_batch(momentum):
    """Predictions, in evaluation mode, that one more batch changes, although no weight moves: their share over 20 batches."""
    paddle.seed(0)
    network = backbone.Conv((1, 28, 28), 5)
    for norm in (layer for layer in network.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)):
        norm._momentum = momentum or norm._momentum
    tested, found = episode(), []
    with paddle.no_grad():
        for _ in range(120):
            network.train()
            network(episode())
            network.eval()
            found.append(network(tested).argmax(axis=1).numpy())
    return float(np.mean([(before != after).mean() for before, after in zip(found[100:], found[101:])]))


paddle.seed(0)
network = backbone.Conv((1, 28, 28), 5)
first, norm = network.conv.conv0.conv, network.conv.conv0.norm
batches, means, kept = [episode() for _ in range(3)], [], []
with paddle.no_grad():
    for batch in batches:
        means.append(first(batch).mean(axis=[0, 2, 3]).numpy())
        network(batch)
        kept.append(norm._mean.numpy())
share = float(np.dot(kept[2] - kept[1], means[2] - kept[1]) / np.dot(means[2] - kept[1], means[2] - kept[1]))
scales = np.concatenate([layer.weight.numpy() for layer in network.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)])
print(f"paddlefsl 1.1.0, paddle {paddle.__version__}: share of the last batch in the running mean: {share:.2f}")
print(f"scales of batch norm from {scales.min():.2f} to {scales.max():.2f}, below zero: {(scales < 0).mean():.2f}")
theirs, default = moved_by_one_batch(None), moved_by_one_batch(0.9)
print(f"predictions that one more training batch changes: {theirs:.0%}; with Paddle's default momentum, 0.9: {default:.0%}")
assert abs(share - 0.9) < 0.01, "changed: the running statistics"
assert scales.min() < -0.9 and 0.4 < (scales < 0).mean() < 0.6, "changed: the scales"
assert theirs > 2 * default, "changed: what one batch does"
print("as found")
PY
