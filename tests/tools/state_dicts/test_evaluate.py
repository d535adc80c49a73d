"""`evaluate --checkpoint FILE` at the real command line, on `tiny`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from bench import files, records
from bench.errors import UserError
from bench.records import layout
from bench.tools.state_dicts.weights import read
from tests.conftest import Command, one_line
from tests.tools.state_dicts.theirs import (
    CloserLook,
    Learner,
    LearnOmniglot,
    Torchmeta,
    Wrapped,
    plain,
    trained_looking,
)

TINY = ("evaluate", "--checkpoint", "theirs.pth", "--benchmark", "tiny")


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Saves an object as `theirs.pth`; for a network, its weights."""

    def save(value: Any, name: str = "theirs.pth") -> Path:
        value = trained_looking(value).state_dict() if isinstance(value, nn.Module) else value
        torch.save(value, tmp_path / name)
        return tmp_path / name

    return save


def record(tmp_path: Path) -> records.Record:
    (folder,) = layout.folders(tmp_path / "results" / "runs")
    return records.read(folder)


def test_weights_are_a_run_that_says_what_they_are(typed: Command, tmp_path: Path, saved: Callable[..., Path]) -> None:
    path = saved(LearnOmniglot())
    result = typed(*TINY, "--set", "queries=3", "--set", "inner_lr=0.25")
    assert result.returncode == 0, result.stderr
    for said in (
        "layout      learn2learn, OmniglotCNN",
        "told        inner_lr=0.25",
        "by shape    downsampling=stride, head_input=mean",
        'conv2.weight = "base.1.conv.weight"',
        "one step",
        "a training of unknown length",
    ):
        assert said in result.stdout, result.stdout
    found = record(tmp_path)
    origin, training = found.info["origin"], found.training
    assert origin["files"]["theirs.pth"] == files.sha256(path) and origin["map"]["head.bias"] == "classifier.bias"
    assert origin["layout"]["name"] == "learn2learn, OmniglotCNN" and origin["unread"] == []
    assert (training.inner_lr, training.blocks, training.filters) == (0.25, "padded", 6)
    assert found.evaluations[0].evaluation.queries == 3


def test_never_pooled_never_judged(typed: Command, tmp_path: Path, saved: Callable[..., Path]) -> None:
    saved(LearnOmniglot())
    assert typed(*TINY).returncode == 0 and typed("run", "--benchmark", "tiny").returncode == 0
    assert typed("verify", "tiny").returncode == 0
    report = typed("report", "--out", "out")
    assert report.returncode == 0 and "trained elsewhere" in report.stdout
    assert "not trained here" in (tmp_path / "out" / "report.md").read_text()
    with open(tmp_path / "out" / "report.csv", newline="") as file:
        cells = [(row["seeds"], bool(row["origin"])) for row in csv.DictReader(file)]
    assert sorted(cells) == [("0", True), ("1", False)]


def test_the_shown_map_is_one_and_another_makes_another_run(
    typed: Command, tmp_path: Path, saved: Callable[..., Path]
) -> None:
    saved(plain(1, 1, 1))
    asked = (*TINY, "--set", "downsampling=max-pool")
    shown = typed(*asked)
    assert shown.returncode == 0, shown.stderr
    text = "".join(line + "\n" for line in shown.stdout.splitlines() if ' = "' in line)
    (tmp_path / "map.toml").write_text(text)
    assert typed(*asked, "--map", "map.toml").returncode == 0
    first = record(tmp_path)
    (tmp_path / "map.toml").write_text(text.replace('"4.', '"OTHER.').replace('"8.', '"4.').replace('"OTHER.', '"8.'))
    assert typed(*asked, "--map", "map.toml").returncode == 0
    folders = list(layout.folders(tmp_path / "results" / "runs"))
    assert len(folders) == 2 and len(first.evaluations) == 1
    swapped = next(records.read(folder) for folder in folders if folder != first.path)
    assert swapped.info["origin"]["map"]["conv2.weight"] == "8.weight"


@pytest.mark.parametrize("wrapped", ["state_dict", "state", "model", "module", "deep", "safetensors"])
def test_nesting(tmp_path: Path, saved: Callable[..., Path], wrapped: str) -> None:
    """Next to the state of an optimiser, with the prefix `module.`, or in another format: the same weights."""
    network = trained_looking(Torchmeta(1, 1))
    found = network.state_dict()
    if wrapped == "module":
        found = Wrapped(network).state_dict()
    elif wrapped != "safetensors":
        optimiser = torch.optim.Adam(network.parameters())
        network(torch.rand(3, 1, 28, 28)).sum().backward()
        optimiser.step()
        found = {"epoch": 3, wrapped: found, "optimizer": optimiser.state_dict(), "best": 0.5}
    path = saved({"checkpoint": {"model": {"state_dict": found}}} if wrapped == "deep" else found)
    if wrapped == "safetensors":
        safetensors.torch.save_file(found, path)
    weights = read(path)
    assert weights.matching.layout.name == "torchmeta's pytorch-maml"
    assert torch.equal(weights.tensors["conv3.weight"], network.state_dict()["features.layer3.conv.weight"])


def test_without_a_head(typed: Command, tmp_path: Path, saved: Callable[..., Path]) -> None:
    saved(CloserLook(1, None))
    assert "no linear head in it, which maml needs: --method protonet, nearest or finetune" in one_line(typed(*TINY))
    for method in ("protonet", "nearest", "finetune"):
        result = typed(*TINY, "--method", method)
        assert result.returncode == 0 and "CloserLookFewShot" in result.stdout, result.stderr
    assert typed("evaluate", "tiny/finetune").returncode == 0  # the same evaluation: no second one is stored
    (tuned,) = layout.folders(Path("results/runs"), method="finetune")
    assert len(records.read(tuned).evaluations) == 1


def test_a_classifier_of_many_classes_has_features(typed: Command, saved: Callable[..., Path]) -> None:
    """A head with another number of outputs is of no use to MAML, and nearest neighbour does not need it."""
    saved(CloserLook(1, 64))
    assert "head.weight has shape 64x6, but maml needs 5x6: use a benchmark of 64 ways" in one_line(typed(*TINY))
    assert typed(*TINY, "--method", "nearest").returncode == 0


def test_running_statistics(typed: Command, saved: Callable[..., Path]) -> None:
    """The file's running statistics are used if it has any; if they are missing or were never updated, there is no
    score."""
    running = (*TINY, "--method", "nearest", "--set", "batch_statistics=running")
    saved(CloserLook(1, None))
    with_them = typed(*running)
    assert with_them.returncode == 0 and "lacking" not in with_them.stdout
    untouched = {
        name: torch.full_like(value, float("var" in name)) if "running" in name else value
        for name, value in trained_looking(CloserLook(1, None)).state_dict().items()
    }
    saved(untouched)
    without = typed(*running)
    assert (
        without.returncode == 1 and "no mean" in without.stdout and "missing     running statistics" in without.stdout
    )


def test_networks_of_equal_shapes_are_told_apart_by_the_user(typed: Command, saved: Callable[..., Path]) -> None:
    saved(plain(1, 1, 1))
    error = one_line(typed(*TINY))
    assert "--set downsampling=max-pool --set head_input=flatten` or `--set downsampling=stride" in error


class Whole(nn.Module):
    """A module that is pickled as an object."""


def test_nothing_is_executed(typed: Command, saved: Callable[..., Path]) -> None:
    saved({"model": Whole()})
    error = one_line(typed(*TINY))
    assert (
        "tests.tools.state_dicts.test_evaluate.Whole" in error and "not executed" in error and "state_dict()" in error
    )


def changed(name: str, value: torch.Tensor | None) -> dict[str, torch.Tensor]:
    found = dict(trained_looking(Torchmeta(1, 1)).state_dict()) | ({} if value is None else {name: value})
    return {k: v for k, v in found.items() if value is not None or k != name}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (changed("classifier.bias", torch.full((5,), torch.nan)), "classifier.bias holds values that are not finite"),
        (changed("classifier.bias", torch.zeros(1).expand(1 << 40)), "is larger than any of a Conv4"),
        (changed("classifier.bias", torch.zeros(5).to_sparse()), "classifier.bias is not a plain tensor"),
        (changed("classifier.bias", torch.zeros(5, dtype=torch.complex64)), "complex numbers"),
        (changed("classifier.bias", None), "maml needs head.bias (5), which is missing"),
        (
            changed("features.layer4.conv.weight", None),
            "at most one linear head, but this file has features.layer1.conv 6x1x3x3",
        ),
        (changed("film.gamma", torch.zeros(3, 6)), "film 3x6"),
        (changed("temperature", torch.tensor(10.0)), "temperature a number; say which"),
        (changed("features.layer2.norm.weight", torch.zeros(7)), "does not fit tiny"),
        (changed("classifier.weight", torch.zeros(5, 54)), "5x54, where it has 6x1x3x3 6x6x3x3"),
        (Torchmeta(3, 25), "are 6x3x3x3 6x6x3x3 6x6x3x3 6x6x3x3 6 6 6 6 5x150, where it has 6x1x3x3"),
        ({"a": changed("", None), "b": changed("", None)}, "2 state_dicts (a and b)"),
        ({"weights": [1, 2]}, "no state_dict"),
        ([1, 2], "no state_dict"),
        ({"layer.weight": torch.zeros(5, 3)}, "no state_dict"),
    ],
)
def test_what_does_not_fit_is_one_line(
    typed: Command, tmp_path: Path, saved: Callable[..., Path], value: Any, expected: str
) -> None:
    saved(value)
    assert expected in one_line(typed(*TINY))
    assert not (tmp_path / "results").exists()


def test_dragens_grey_network(typed: Command, saved: Callable[..., Path]) -> None:
    saved({f"net.{name}": value for name, value in Learner(1).state_dict().items()})
    result = typed(*TINY)
    assert result.returncode == 0 and "blocks=unpadded" in result.stdout and "inputs=inverted" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((*TINY, "--map", "no.toml"), "no.toml: cannot be read"),
        ((*TINY, "--map", "bad.toml"), "bad.toml: not valid TOML"),
        ((*TINY, "--map", "nothing.toml"), "nothing.toml: conv1.weight is missing"),
        ((*TINY, "--map", "unknown.toml"), "conv1.wait is not a tensor of a Conv4"),
        ((*TINY, "--map", "absent.toml"), "conv1.weight: theirs.pth has no tensor nowhere"),
        ((*TINY, "--map", "number.toml"), "conv1.weight: give a name"),
        ((*TINY, "--method", "maml", "--method", "anil"), "give one method"),
        ((*TINY, "--method", "meta-sgd"), "meta-sgd needs rate.conv1.bias"),
        ((*TINY, "--method", "malm"), "unknown method 'malm'"),
        ((*TINY, "--set", "blocks=none"), "blocks=none: not paper, padded or unpadded"),
        ((*TINY, "--set", "meta_lr=1"), "unknown setting of weights from elsewhere 'meta_lr'"),
        ((*TINY, "--set", "inner_lr=fast"), "inner_lr=fast: not a number"),
        (("evaluate", "--checkpoint", "theirs.pth"), "also needs --benchmark"),
        (("evaluate", "--checkpoint", ".", "--benchmark", "tiny"), "give one, such as theirs.pth"),
        (("evaluate", "--checkpoint", "no.pth", "--benchmark", "tiny"), "no checkpoint at no.pth"),
        (("evaluate", "--checkpoint", "bad.toml", "--benchmark", "tiny"), "neither a file of torch.save nor"),
        (("evaluate", "--checkpoint", "theirs.pth", "--benchmark", "sinusoid-5s"), "need images"),
        (("run", "--benchmark", "tiny", "--set", "blocks=padded"), "unknown setting 'blocks'"),
    ],
)
def test_mistakes(
    typed: Command, tmp_path: Path, saved: Callable[..., Path], arguments: tuple[str, ...], expected: str
) -> None:
    saved(Torchmeta(1, 1))
    maps = {
        "bad": "conv1.weight",
        "nothing": "",
        "unknown": 'conv1.wait = "x"',
        "absent": 'conv1.weight = "nowhere"',
        "number": "conv1.weight = 3",
    }
    for name, text in maps.items():
        (tmp_path / f"{name}.toml").write_text(text)
    assert expected in one_line(typed(*arguments))
    assert not (tmp_path / "results").exists()


def test_an_order_that_a_file_does_not_keep(typed: Command, tmp_path: Path) -> None:
    """Safetensors sorts names: without numbers in them, it is unknown which convolution is the second."""
    names = dict(zip("1234", ("first", "second", "third", "last"), strict=True))
    found = {
        f"features.{names[name[14]]}{name[15:]}" if name.startswith("features") else name: value
        for name, value in trained_looking(Torchmeta(1, 1)).state_dict().items()
    }
    asked = (*TINY, "--set", "downsampling=max-pool")
    safetensors.torch.save_file(found, tmp_path / "theirs.pth")
    assert "the order of features.first.conv, " in one_line(typed(*asked))
    torch.save(found, tmp_path / "theirs.pth")
    assert typed(*asked).returncode == 0


def test_names_that_contradict_the_order(saved: Callable[..., Path]) -> None:
    """A dictionary in which the third block comes before the second."""
    found = trained_looking(Torchmeta(1, 1)).state_dict()
    path = saved({name: found[name] for name in sorted(found, key=lambda name: "layer2" in name)})
    with pytest.raises(UserError, match=r"order of features\.layer1\.conv, features\.layer3\.conv, .* is not known"):
        read(path)


def test_a_record_whose_map_was_changed_is_left_out(typed: Command, tmp_path: Path, saved: Callable[..., Path]) -> None:
    saved(Torchmeta(1, 1))
    assert typed(*TINY).returncode == 0
    path = record(tmp_path).path / layout.RECORD
    info = json.loads(path.read_text())
    info["origin"]["files"]["the map of its tensors"] = 64 * "0"
    files.write_sealed(path, info)
    report = typed("report")
    assert report.returncode == 1 and "do not match the files of state_dict theirs.pth" in report.stderr
