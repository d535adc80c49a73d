#!/usr/bin/env bash
# fewlearn 0.1.2: an episode's queries are drawn without regard to its support set, so that some of them are in it.
#
# For each class its sampler draws shots + queries images twice: from the first draw it keeps the shots, from the second
# the queries. Nothing keeps the two apart. A query then is a support image with probability shots / images of the
# class: with 5 shots of Omniglot's 20 drawings every fourth query. Every evaluation of the library goes this way
# (`Evaluator`, `create_episode_loader`), in the README's own example too. There is no error and no warning.
#
# Why it matters: a query that is also the support image has distance 0 to the prototype of 1 shot. Accuracy is too
# high, the more so the fewer images a class has and the worse the features are; with images of pure noise it is far
# above chance.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 pillow==12.0.0 pandas==3.0.3 \
    scikit-learn==1.9.1
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps fewlearn==0.1.2 torchvision==0.28.0
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
import torch

torch.set_num_threads(1)
try:
    import torchvision
except RuntimeError:  # a torchvision built for another torch: its operators are not used here
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from fewlearn import EpisodicProtocol, Evaluator, PrototypicalNetworks
from fewlearn.utils.samplers import EpisodicSampler

WAYS, QUERIES, EPISODES, CLASSES, EACH = 5, 15, 300, 50, 20  # 20 images of a class, as in Omniglot
labels = np.repeat(np.arange(CLASSES), EACH)
generator = torch.Generator().manual_seed(0)
images = torch.randn(len(labels), 64, generator=generator)  # noise: nothing can be known of an image but itself


class Noise(torch.utils.data.Dataset):
    targets = labels.tolist()

    def __len__(self):
        return len(labels)

    def __getitem__(self, index):
        return images[index], self.targets[index]


def apart(shots, rng):
    """Accuracy in per cent of the nearest prototype in episodes whose queries are not in the support set."""
    right = []
    for _ in range(EPISODES):
        drawn = [rng.permutation(EACH)[: shots + QUERIES] + EACH * c for c in rng.permutation(CLASSES)[:WAYS]]
        prototypes = torch.stack([images[indices[:shots]].mean(0) for indices in drawn])
        query = torch.cat([images[indices[shots:]] for indices in drawn])
        right.append(torch.cdist(query, prototypes).argmin(1) == torch.arange(WAYS).repeat_interleave(QUERIES))
    return 100 * float(torch.cat(right).float().mean())


print(f"fewlearn 0.1.2, {WAYS}-way, {QUERIES} queries of a class, classes of {EACH} images of noise; chance is 20 %")
for shots in (1, 5):
    np.random.seed(0)
    shared = []
    for batch in EpisodicSampler(labels, n_way=WAYS, n_shot=shots, n_query=QUERIES, n_episodes=EPISODES):
        support, query = batch[: WAYS * shots], batch[WAYS * shots :]
        shared.append(100 * np.isin(query, support).mean())
    protocol = EpisodicProtocol(n_way=WAYS, n_shot=shots, n_query=QUERIES, episodes=EPISODES)
    model = {"prototypes": PrototypicalNetworks(backbone=torch.nn.Identity())}
    results = Evaluator(protocol, parallel=False).evaluate(model, Noise(), seed=0)
    accuracy = 100 * float(results["prototypes"]["metrics"]["accuracy"])
    right = apart(shots, np.random.default_rng(0))
    percent = np.mean(shared)
    print(f"  {shots} shots: {percent:5.2f} % of queries are in the support set ({100 * shots / EACH:.0f} % expected)")
    print(f"          accuracy {accuracy:.1f} %; with queries apart from the support set {right:.1f} %")
    assert abs(percent - 100 * shots / EACH) < 1, "changed: how many queries are support images"
    assert abs(right - 20) < 2, "the reference is off"
    assert accuracy > right + 2, "changed: accuracy on noise"
print("as found")
PY
