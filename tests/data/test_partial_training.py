"""Training on a copy with the training classes only, and its test where all classes are available."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench import records
from bench.data.splits import read_split
from bench.records import layout
from tests.conftest import Command

FILES = {"train": "train", "valid": "val", "test": "test"}
RUN = (
    *("run", "--benchmark", "miniimagenet-2w1s", "--method", "maml", "--device", "cpu", "--iterations", "2"),
    *("--set", "filters=4", "--set", "meta_batch=1", "--set", "queries=1", "--set", "episodes=3"),
)


def write(folder: Path, splits: Sequence[str], images_seed: int = 0) -> Path:
    """Writes three classes per split, each of four random images, as pickles."""
    folder.mkdir()
    known = sorted(read_split("mini_imagenet").items())
    for split in splits:
        random = np.random.default_rng([images_seed, len(split)])
        names = [name for name, where in known if where == split][:3]
        content = {
            "image_data": random.integers(0, 256, (12, 84, 84, 3), dtype=np.uint8),
            "class_dict": {name: list(range(4 * k, 4 * k + 4)) for k, name in enumerate(names)},
        }
        (folder / f"mini-imagenet-cache-{FILES[split]}.pkl").write_bytes(pickle.dumps(content))
    return folder


@pytest.fixture
def homes(tmp_path: Path, typed: Command) -> tuple[str, str, str]:
    """Data directories with the training classes only, with all classes, and with different images of all classes."""
    made = []
    for name, splits, seed in (("train", ["train"], 0), ("all", list(FILES), 0), ("other", list(FILES), 1)):
        copy, home = write(tmp_path / f"copy-{name}", splits, seed), tmp_path / f"home-{name}"
        added = typed("data", "add", "mini-imagenet", str(copy), "--partial", "--data-dir", str(home))
        assert added.returncode == 0, added.stderr
        made.append(str(home))
    return made[0], made[1], made[2]


@pytest.mark.slow
def test_what_was_trained_on_a_part_is_tested_where_all_is(
    tmp_path: Path, typed: Command, homes: tuple[str, str, str]
) -> None:
    part, whole, other = homes
    refused = typed(*RUN, "--data-dir", part)
    assert refused.returncode == 2 and "classes" in refused.stderr and "Traceback" not in refused.stderr
    without = (*RUN, "--set", "validations=0")
    best = typed(*without, "--set", "weights=best", "--data-dir", part)
    assert best.returncode == 2 and "weights=last" in best.stderr

    trained = typed(*without, "--data-dir", part)
    assert trained.returncode == 0, trained.stderr
    assert (
        "not tested" in trained.stdout
        and "python -m bench evaluate results/runs/miniimagenet-2w1s/maml/" in trained.stdout
    )
    (folder,) = layout.folders(tmp_path / "results" / "runs")
    info = json.loads((folder / layout.RECORD).read_text())
    assert info["status"] == "finished" and info["best_iteration"] == 0 and set(info["episodes_digest"]) == {"train"}
    again = typed(*without, "--data-dir", part)
    assert again.returncode == 0 and "not tested" in again.stdout

    name = "/".join(folder.parts[-4:])
    elsewhere = typed("evaluate", name, "--set", "episodes=3", "--set", "queries=1", "--data-dir", other)
    assert elsewhere.returncode == 2 and "another copy of the data" in elsewhere.stderr
    tested = typed("evaluate", name, "--set", "episodes=3", "--set", "queries=1", "--data-dir", whole)
    assert tested.returncode == 0, tested.stderr
    assert len(records.read_all(tmp_path / "results" / "runs")[0][0].evaluations) == 1
    verified = typed("verify", name, "--retrain", "--data-dir", whole)
    assert verified.returncode == 0, verified.stdout + verified.stderr
