"""Runs every command in the documents that no other test runs unchanged, in a folder that has everything they refer to.

Commands that take more than seconds get fewer seeds, iterations and episodes: if an option is given twice, the last
value counts. Images and weights that cannot be shipped are replaced by small ones in the same format."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.__main__ import main
from bench.data.splits import read_split
from bench.tools.state_dicts.weights import read
from tests.conftest import ROOT
from tests.data.readers.test_folder import write_classes
from tests.data.small import FILES, Small, encoded, write_birds, write_cifar, write_tiered
from tests.documents.test_documents import COMMANDS, TEXTS, arguments, blocks, run_by
from tests.tools.authors_weights.conftest import variables
from tests.tools.authors_weights.writer import Bundle
from tests.tools.state_dicts import theirs

PAGES = ("docs/methods.md", "docs/other-code.md")  # tests/documents/test_methods.py runs them, in their order
NEEDS_A_CLUSTER = "run --method maml --seeds 5 --engine ray --address HEAD:6379 --results /shared/results"
REST = {shlex.join(words) for where, words in COMMANDS.items() if not where.startswith(PAGES) and "..." not in words}
REST -= {shlex.join(arguments(line)) for text in TEXTS.values() for line in run_by(text)} | {NEEDS_A_CLUSTER}

FIRST = (
    "data add mini-imagenet mini-imagenet --partial",
    "data add cifar-fs cifar-fs --partial",
    "data add folder photos --name mine --size 32",
    "run --benchmark tiny --method maml --iterations 2",
    # Adam in minibatches, for inner_loss=sum; and the preset's own test, by which `show episodes` tells it from others
    "run --benchmark tiny --method reptile --iterations 2 --set inner_optimiser=adam --set inner_batch=2",
    "run --benchmark omniglot-5w1s --method maml --iterations 2 --set evaluation.episodes=2 --set validations=1",
)
FINE_TUNING = "--set finetune_episodes=2 --set finetune_steps=2"
LEAST = {
    "run": "--seeds 1 --iterations 2 --set meta_batch=2 --set validations=1 --set validation_episodes=2"
    " --set evaluation.episodes=2",
    "evaluate": "--set episodes=2",
    "explain": "--seeds 1 --iterations 2 --set episodes=2 --set validations=1 --set validation_episodes=2",
    "speed": "--mode eager --repeats 1",
    "data add": "--partial",
}
EXIT_CODES = {
    "run --benchmark tiny --set precision=tf32": 2,  # as the document shows it
    "evaluate RUN --benchmark omniglot-20w5s": 2,  # of the run that is here, whose head has five ways
}


def _typed(line: str) -> int:
    """Runs a command in this process and the current folder, and returns its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bench", *shlex.split(line)])
        return main()


def _least(line: str) -> str:
    """A command with real names in place of placeholders, and options for the least work; without a GPU, none is
    requested."""
    line = re.sub(r"^(data add (\S+)) PATH", r"\1 \2", line)
    line = re.sub(r"^(report .*)\bDIR (.*)\bDIR", r"\1results/runs \2elsewhere", line)
    line = line.replace("RUN", "tiny/reptile").replace("DIR", "weights")
    if not torch.cuda.is_available():
        line = line.replace("--device cuda", "--device cpu").replace("--mode compiled-graph", "--mode eager")
    kind = next((kind for kind in LEAST if line.startswith(kind)), "")
    least = LEAST.get(kind, "")
    if kind in ("run", "evaluate") and re.search("finetune|pretrained", line):
        least = f"{least} {FINE_TUNING}{' --set finetune_head_steps=2' * ('finetune' in line)}"
    # Two protocols train on the classes of validation too; and a training ignores FINE_TUNING, which is of evaluations:
    # it would validate fine-tuning on 200 episodes.
    if re.search("--protocol (nichol|snell)|--method finetune", line):
        least = least.replace("validations=1", "validations=0")
    asked_for = re.search("--dry-run|--file|--mode compiled", line)
    return line if asked_for or not kind else f"{line} {least}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands run: images, weights, a method, an experiment, claims, and some runs."""
    home = tmp_path_factory.mktemp("documents") / "project"
    home.mkdir()
    random = np.random.default_rng(0)
    names = {
        split: [name for name, owner in read_split("mini_imagenet").items() if owner == split][:5] for split in FILES
    }
    jpegs = {(split, name): _jpegs(random, name) for split, found in names.items() for name in found}
    Small(jpegs).write_folder(home / "mini-imagenet")
    for source in ("cifar-fs", "fc100"):
        write_cifar(home / source, images=20)
    write_tiered(home / "tiered-imagenet")
    write_birds(home / "cub" / "CUB_200_2011")
    write_classes(home / "photos", 20, 20)
    for weights in (home / "weights", home.parent / "shared" / "checkpoints" / "finn-miniimagenet-5w1s"):
        Bundle(variables(3, 32, 800, 5)).write(weights / "model59000")
    networks = {"conv4.pth": theirs.Torchmeta(1, 1), "protonet.safetensors": theirs.CloserLook(1, None)}
    for name, network in networks.items():
        torch.save(theirs.trained_looking(network).state_dict(), home / name)
    (home / "map.toml").write_text(read(home / "conv4.pth").matching.toml())
    (home / "mine.py").write_text(blocks(TEXTS["docs/methods.md"], "python")[0])
    (home / "experiment.toml").write_text(blocks(TEXTS["docs/experiments.md"], "toml")[0])
    shutil.copy(ROOT / "bench" / "analysis" / "published.csv", home / "my-claims.csv")
    shutil.copytree(ROOT / "examples", home / "examples")
    for run in ("omniglot-5w1s/maml/3c85979e", "omniglot-5w1s/finetune/d6c374b9", "sinusoid-5s/pretrained/373587d1"):
        kept = Path("results", "reference", run, "seed0")
        shutil.copytree(ROOT / kept, home / kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("BENCH_DATA", str(home / "data"))
        for line in FIRST:
            assert _typed(line) == 0, line
    return home


def _jpegs(random: np.random.Generator, name: str) -> dict[str, bytes]:
    return {f"{name}{k:08d}.jpg": encoded(random, (84, 84), "JPEG") for k in range(20)}


_MINUTES = (
    "speed|run --file table1|run (?=.*miniimagenet).*(finetune|seeds 5|--chunk)|explain .*episodes=600|verify --all"
)


def _marked(line: str) -> pytest.param:
    minutes = re.match(_MINUTES, line)
    return pytest.param(line, marks=pytest.mark.full if minutes else pytest.mark.slow, id=line)


@pytest.mark.parametrize("line", [_marked(line) for line in sorted(REST)])
def test_a_command(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BENCH_DATA", str(folder / "data"))
    assert _typed(_least(line)) == EXIT_CODES.get(line, 0), (_least(line), capfd.readouterr())
