"""Other papers' protocols: the values that affect a number."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.data import benchmark_data
from bench.errors import UserError
from bench.protocols import presets
from bench.protocols.benchmarks import EpisodeShape, get
from bench.protocols.protocol import Protocol
from bench.training.workload import NamedMethod, Workload


def snell(name: str) -> Protocol:
    return presets.preset("snell", get(name))


@pytest.mark.parametrize(
    ("name", "train", "test", "episodes"),
    [  # arXiv 1703.05175, sections 3.1 and 3.2; run_train.py
        ("omniglot-5w1s", EpisodeShape(60, 1, 5), EpisodeShape(5, 1, 15), 1000),
        ("omniglot-20w5s", EpisodeShape(60, 5, 5), EpisodeShape(20, 5, 15), 1000),
        ("miniimagenet-5w1s", EpisodeShape(30, 1, 15), EpisodeShape(5, 1, 15), 600),
        ("miniimagenet-5w5s", EpisodeShape(20, 5, 15), EpisodeShape(5, 5, 15), 600),
    ],
)
def test_episodes_of_snell(name: str, train: EpisodeShape, test: EpisodeShape, episodes: int) -> None:
    found = snell(name)
    assert (found.shape("train", get(name)), found.shape("test", get(name))) == (train, test)
    assert found.evaluation.episodes == episodes
    assert (found.training.batch_statistics, found.evaluation.batch_statistics) == ("episode", "running")
    assert (found.training.meta_batch, found.training.meta_lr_halved_every) == (1, 2000)


def test_chen(data_dir: Path) -> None:
    """wyharveychen/CloserLookFewShot: train.py, data/datamgr.py and methods/baselinefinetune.py."""
    one, five = (presets.preset("chen", get(f"omniglot-5w{shots}s")) for shots in (1, 5))
    assert one.training == five.training and one.training.iterations == 25_700
    assert (one.evaluation.finetune_steps, five.evaluation.finetune_steps) == (200, 700)
    assert (one.training.image_batch, one.training.image_order, one.training.classes) == (16, "passes", "train")
    data = benchmark_data.load(get("omniglot-5w5s"), five.training, data_dir)
    method = NamedMethod("finetune")
    Workload(
        benchmark=get("omniglot-5w5s"), method=method, protocol=five, data=data, device=torch.device("cpu")
    ).check()
    with pytest.raises(UserError, match="chen is for the images of omniglot"):
        presets.preset("chen", get("miniimagenet-5w5s"))


def test_snell_tests_the_weights_of_one_training_at_any_ways() -> None:
    five, twenty = (snell(f"omniglot-{ways}w1s").training for ways in (5, 20))
    assert five == twenty and (five.split, five.rotations, five.classes) == ("vinyals", "classes", "train+valid")
    assert snell("miniimagenet-5w1s").training.classes == "train"
