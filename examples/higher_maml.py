"""Other people's code on our episodes: MAML with the library `higher`, which knows nothing of this project.
`pip install 'few-shot-bench[examples]'` installs `higher`.

python -m bench episodes export --benchmark tiny --split train --episodes 400 --images --out train
python -m bench episodes export --benchmark tiny --episodes 20 --images --out test
python examples/higher_maml.py train test predictions.parquet
python -m bench score predictions.parquet --name "MAML with higher"
python -m bench report
"""

import json
import sys
from pathlib import Path

import higher
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

INNER_LR, INNER_STEPS, META_LR, META_BATCH = 0.4, 3, 3e-3, 4


class Episodes:
    """The episodes of an exported folder, as tensors."""

    def __init__(self, folder: Path) -> None:
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.images = np.load(folder / "images.npy")
        self.tables = dict(iter(pd.read_parquet(folder / "episodes.parquet").groupby("episode")))

    def __len__(self) -> int:
        return len(self.tables)

    def part(self, episode: int, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Images [images, channels, height, width] and labels [images] of `support` or `query`."""
        rows = self.tables[episode].query("part == @name").sort_values("place")
        images = torch.from_numpy(self.images[rows["row"].to_numpy()]).permute(0, 3, 1, 2).float() / 255
        return images, torch.from_numpy(rows["label"].to_numpy(copy=True))


def network(channels: int, ways: int, filters: int = 16) -> nn.Module:
    """Three blocks, and a head."""
    layers: list[nn.Module] = []
    for before in (channels, filters, filters):
        layers += [nn.Conv2d(before, filters, 3, 2, 1), nn.BatchNorm2d(filters, track_running_stats=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(filters, ways))


def adapted_outputs(model: nn.Module, episodes: Episodes, episode: int, training: bool) -> torch.Tensor:
    """Outputs for the query after the inner loop."""
    images, labels = episodes.part(episode, "support")
    optimiser = torch.optim.SGD(model.parameters(), lr=INNER_LR)
    # By default `higher` copies the weights, and the meta-gradient never reaches the model.
    context = higher.innerloop_ctx(model, optimiser, copy_initial_weights=False, track_higher_grads=training)
    with context as (fast, steps):
        for _ in range(INNER_STEPS):
            steps.step(F.cross_entropy(fast(images), labels))
        return fast(episodes.part(episode, "query")[0])


def main(train: Path, test: Path, out: Path) -> None:
    """Trains once through the training episodes, then predicts the test episodes."""
    torch.manual_seed(0)
    training, testing = Episodes(train), Episodes(test)
    model = network(training.images.shape[-1], training.manifest["ways"])
    meta = torch.optim.Adam(model.parameters(), lr=META_LR)
    for episode in range(len(training)):
        labels = training.part(episode, "query")[1]
        (F.cross_entropy(adapted_outputs(model, training, episode, True), labels) / META_BATCH).backward()
        if episode % META_BATCH == META_BATCH - 1:
            meta.step()
            meta.zero_grad()
    rows = []
    for episode in range(len(testing)):
        predicted = adapted_outputs(model, testing, episode, False).argmax(1).tolist()
        rows += [(testing.manifest["stream"], episode, query, label) for query, label in enumerate(predicted)]
    pd.DataFrame(rows, columns=["stream", "episode", "query", "prediction"]).to_parquet(out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
