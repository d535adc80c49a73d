"""Typed input: settings and command lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import cli
from bench.protocols import benchmarks, presets, protocol, settings
from bench.runs import planning
from tests.fuzz import HOSTILE_TEXT, inputs, read

PAPER = presets.paper(benchmarks.get("tiny"))
NAMES = [*vars(PAPER.training), *(f"evaluation.{name}" for name in vars(PAPER.evaluation))]
NUMBERS = (
    st.integers(1, 20).map(str)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["1_0", "1e400", "9" * 5000, "٣", "0x10"])
)
VALUES = NUMBERS | st.sampled_from(["none", "true", "NONE", "0.1,0.2", ",", "batch", "best"]) | HOSTILE_TEXT
KNOWN = st.builds("{}={}".format, st.sampled_from(NAMES), VALUES | st.integers(1, 20))
SETTINGS = KNOWN | KNOWN | st.builds("{}={}".format, HOSTILE_TEXT, VALUES) | HOSTILE_TEXT


@inputs
@given(st.lists(SETTINGS, min_size=1, max_size=3))
def test_settings(texts: list[str]) -> None:
    changed = read("--set", lambda: settings.with_settings(PAPER, texts))
    if changed:
        assert protocol.training_hash(changed.training, "x") and protocol.evaluation_hash(changed.evaluation)
    read("evaluate --set", lambda: settings.with_evaluation_settings(PAPER.evaluation, texts))


OPTIONS = [
    "--method",
    "--benchmark",
    "--protocol",
    "--seeds",
    "--seed",
    "--iterations",
    "--together",
    "--chunk",
    "--mode",
    "--set",
    "--keep",
    "--checkpoint-every",
    "--force",
    "--device",
    "--threads",
]
WORDS = st.sampled_from(["maml", "finetune", "tiny", "omniglot-5w1s", "paper", "quick", "ravi", "cpu", "eager", "--"])


@inputs
@given(st.lists(st.sampled_from(OPTIONS) | WORDS | NUMBERS | SETTINGS, max_size=8))
def test_command_lines(place: Path, data_dir: Path, tokens: list[str]) -> None:
    """As far as the plan: which runs there would be, and the messages before them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(planning, "groups", lambda *_: [])
        arguments = ["run", "--benchmark", "tiny", *tokens, "--data-dir", str(data_dir), "--results", str(place)]
        if "-h" not in tokens and "--help" not in tokens:
            read("command lines", lambda: cli.main(arguments))


COMMANDS = [command.__name__.rpartition(".")[2] for command in cli.COMMANDS]


@inputs
@given(st.sampled_from(COMMANDS), st.lists(st.sampled_from(OPTIONS) | WORDS | NUMBERS | HOSTILE_TEXT, max_size=6))
def test_arguments_of_every_command(command: str, tokens: list[str]) -> None:
    if not any(token.startswith("-h") or token.startswith("--h") for token in tokens):
        read("arguments", lambda: cli._parser().parse_args([command, *tokens]))
