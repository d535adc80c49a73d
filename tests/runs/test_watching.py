"""Watching a training while it runs: JSON lines, and TensorBoard's curves, neither of which changes a bit."""

from __future__ import annotations

import io
import itertools
import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from bench import files, records
from bench.cli import json_events
from bench.data.images import ImageSet
from bench.episodes.images import ImageEpisodes
from bench.protocols import benchmarks, presets
from bench.protocols.benchmarks import Benchmark
from bench.protocols.measures import ACCURACY
from bench.protocols.protocol import Protocol
from bench.records import layout
from bench.runs import display, tensorboard
from bench.training import evaluation
from bench.training.execution import Execution
from bench.training.initial import initial_state
from bench.training.watch import CurvePoint, Event, Interrupted, Said, Scored, Step, Watch, ignore
from tests.conftest import Command, build, one_line
from tests.training.test_outer_loop import Make, make, together, watch  # noqa: F401 (a fixture)

RUN = ("run", "--benchmark", "tiny", "--iterations", "6", "--set", "validations=2", "--together", "2")
WEIGHTS = (layout.WEIGHTS, layout.BEST)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag -> (iteration, value) of a run, as TensorBoard reads them."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reading.EventAccumulator(str(folder), size_guidance={reading.SCALARS: 0}).Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


class Killed(Exception):
    """Raised in the middle of a training."""


def events(output: str) -> list[dict[str, Any]]:
    """Every line, parsed; NaN and Infinity are refused, although Python would accept them."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in output.splitlines()]


def test_a_logged_training_ends_with_the_same_bits(typed: Command, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for results, options in (("plain", ()), ("logged", ("--log", "tensorboard"))):
        assert typed(*RUN, "--seeds", "2", "--results", results, *options).returncode == 0
    pairs = zip(*(layout.folders(tmp_path / name) for name in ("plain", "logged")), strict=True)
    for plain, logged in pairs:
        assert all(files.sha256(plain / name) == files.sha256(logged / name) for name in WEIGHTS)
        assert not list(plain.glob("events*")) and len(list(logged.glob("events*"))) == 1
        record, found = records.read(logged), curves(logged)
        wanted = list(record.curve[["iteration", "train_loss"]].itertuples(index=False, name=None))
        assert [at for at, _ in found["training/loss"]] == [at for at, _ in wanted]
        np.testing.assert_allclose([v for _, v in found["training/loss"]], [v for _, v in wanted], rtol=1e-6)
        validated = record.curve.dropna(subset="valid_score")
        assert [at for at, _ in found["validation/score"]] == validated["iteration"].tolist() == [3, 6]
        steps = sorted(tag for tag in found if tag.startswith("validation by inner step/"))
        assert len(steps) == record.evaluations[0].scores.shape[1]
        assert found[steps[-1]] == found["validation/score"]
        norms = [value for _, value in found["training/gradient norm"]]
        assert len(norms) == len(wanted) and all(0 < norm < math.inf for norm in norms)


def test_the_curves_are_those_of_their_seed(typed: Command, tmp_path: Path) -> None:
    assert typed(*RUN, "--seeds", "2", "--log", "tensorboard").returncode == 0
    one, other = (curves(folder)["training/loss"] for folder in layout.folders(tmp_path / "results" / "runs"))
    assert one != other


def test_a_resumed_training_continues_its_curves_without_duplicates(
    make: Make,  # noqa: F811
    tiny_protocol: Protocol,
    tmp_path: Path,
) -> None:
    """Killed after rows that will be written again: the checkpoint is of iteration 2, and rows were written up to 4,
    the last one only in part."""
    pytest.importorskip("tensorboard")

    def killed(event: Event) -> None:
        if isinstance(event, Step) and event.iteration == 4:
            raise Killed

    def run(folder: str, watching: Watch) -> Path:
        trainer, initial = together(make, tiny_protocol, folder)
        with tensorboard.log_events("tensorboard", watching.on_event) as on_event:
            trainer.run(trainer.prepare(initial), replace(watching, on_event=on_event))
        return trainer.folders[1]

    whole = curves(run("whole", watch()))
    with pytest.raises(Interrupted):
        run("sliced", watch(2))
    with pytest.raises(Killed):
        run("sliced", replace(watch(), on_event=killed))
    (written,) = (tmp_path / "sliced1").glob("events*")
    written.write_bytes(written.read_bytes()[:-9])
    folder = run("sliced", watch())
    assert len(list(folder.glob("events*"))) == 1
    assert curves(folder) == whole and [at for at, _ in whole["training/loss"]] == [1, 2, 3, 4, 5, 6]


def test_rows_that_come_again_in_one_process_are_in_the_curve_once(tmp_path: Path) -> None:
    """As after running out of memory, when the training continues from its checkpoint."""
    pytest.importorskip("tensorboard")
    with tensorboard.log_events("tensorboard", ignore) as on_event:
        for iteration in (1, 2, 3, 2, 3, 4):
            on_event(CurvePoint(tmp_path, iteration, float(iteration), None, (), 1.0))
    assert curves(tmp_path)["training/loss"] == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]


def test_a_run_made_anew_has_no_curves_of_the_old(typed: Command, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    assert typed(*RUN, "--log", "tensorboard").returncode == 0
    folder = next(layout.folders(tmp_path / "results" / "runs"))
    assert curves(folder)
    assert typed(*RUN, "--force").returncode == 0
    assert not list(folder.glob("events*"))


def test_workers_log_too(typed: Command, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    ran = typed(*RUN, "--seeds", "2", "--together", "1", "--workers", "2", "--log", "tensorboard", "--json")
    assert ran.returncode == 0, ran.stderr
    told = events(ran.stdout)
    for kind in ("progress", "scoring"):
        assert {tuple(event["seeds"]) for event in told if event["event"] == kind} == {(0,), (1,)}
    for folder in layout.folders(tmp_path / "results" / "runs"):
        assert [at for at, _ in curves(folder)["training/loss"]] == [1, 2, 3, 4, 5, 6]


def test_lines_for_machines_are_all_that_is_on_stdout(typed: Command, tmp_path: Path) -> None:
    ran = typed(*RUN, "--seeds", "2", "--method", "maml", "--method", "nearest", "--json")
    assert ran.returncode == 0 and "tables and figures" in ran.stderr
    told = events(ran.stdout)
    steps = [event for event in told if event["event"] == "progress" and event["method"] == "maml"]
    assert next(event["iteration"] for event in steps if event["valid_score"] is not None) == 3
    last = steps[-1]
    assert (last["iteration"], last["iterations"], last["seeds"], last["measure"]) == (6, 6, [0, 1], "accuracy")
    assert last["benchmark"] == "tiny" and last["steps_per_second"] > 0 and last["seconds_left"] == 0
    ends = {(e["split"], e["episodes"], e["of"]) for e in told if e["event"] == "scoring" and e["method"] == "maml"}
    tiny = presets.quick(benchmarks.get("tiny"))
    validation, test = tiny.training.validation_episodes, tiny.evaluation.episodes
    assert ends >= {("valid", validation, validation), ("test", test, test)}
    outcomes = [event for event in told if event["event"] == "outcome"]
    assert len(outcomes) == 4 and {event["outcome"] for event in outcomes} == {"finished"}
    assert all(records.read(tmp_path / event["folder"]).name == event["run"] for event in outcomes)
    again = events(typed(*RUN, "--seeds", "2", "--json").stdout)
    assert [event["outcome"] for event in again] == ["skipped", "skipped"]


def test_a_validation_and_a_test_say_how_far_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "_PLAIN_SECONDS", -1.0)
    clock = itertools.count(1e9)  # later than now, a second a look
    monkeypatch.setattr(display.time, "monotonic", lambda: next(clock))
    written = io.StringIO()
    with display.live_bars(Console(file=written)) as bars:
        shown = display.Display("it", ACCURACY, bars)
        for split, done in (("valid", 50), ("valid", 100), ("valid", 50), ("valid", 70), ("test", 50), ("test", 150)):
            shown(Scored(split, done, 200))
    assert written.getvalue().splitlines() == [
        "it: validation, 50/200 episodes",
        "it: validation, 100/200 episodes, 2 s left",
        "it: validation, 50/200 episodes",  # the next one
        "it: validation, 70/200 episodes, 6 s left",
        "it: test, 50/200 episodes",
        "it: test, 150/200 episodes, 0 s left",
    ]


def test_a_terminal_shows_a_bar_for_each_group_and_what_is_said_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "_LIVE_SECONDS", -1.0)
    clock = itertools.count(1e9)
    monkeypatch.setattr(display.time, "monotonic", lambda: next(clock))
    written = io.StringIO()
    with display.live_bars(Console(file=written, force_terminal=True, width=100)) as bars:
        other = display.Display("other", ACCURACY, bars)
        other(Scored("test", 50, 100))
        one = display.Display("[one]", ACCURACY, bars, 20, remaining_runs=2)
        one(Said("smaller"))
        for iteration in range(1, 9):
            one(Step(iteration, 0.25, 0.75 if iteration == 2 else None))
        before = len(written.getvalue())
        one.close()
        other(Scored("test", 100, 100))
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", line).strip() for line in written.getvalue().splitlines()]
    assert {"[one]: smaller", "━━━━━━╺━━━━━ other: test, 50/100 episodes"} <= {*lines}
    assert "[one]: 1 s per iteration, about 20 s of training, about 40 s for the 2 remaining runs" in lines
    assert "━━━━╸━━━━━━━ [one]: 8/20, loss 0.2500, validation 75.00 %, 1.0 steps/s, 12 s left" in lines
    assert "[one]" not in written.getvalue()[before:] and "other: test, 100/100" in written.getvalue()[before:]


def test_candidates_are_counted_together(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol) -> None:
    told: list[Event] = []
    method = build("finetune", small, tiny_protocol)
    state = initial_state(method, 0)
    source = ImageEpisodes(small, noise, "valid", 0, small.episode(3))
    execution = Execution(torch.device("cpu"), 4)
    evaluation.choose(execution, method, state, source, 4, 2, told.append)
    every = 2 * len(method.candidates())
    assert told == [Scored("valid", done, every) for done in range(2, every + 1, 2)]


def test_what_is_no_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    with json_events.lines(True) as tell:
        print("elsewhere")
        tell("progress", loss=math.nan, valid=math.inf, iteration=3)
    written = capsys.readouterr()
    assert events(written.out) == [{"event": "progress", "loss": None, "valid": None, "iteration": 3}]
    assert written.err == "elsewhere\n"


@pytest.mark.parametrize("word", ["tensorbord", "wandb"])
def test_an_unknown_log(typed: Command, word: str) -> None:
    assert "tensorboard" in one_line(typed(*RUN, "--log", word))


def test_without_tensorboard_one_line_says_what_to_install(typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert "pip install 'few-shot-bench[tensorboard]'" in one_line(typed(*RUN, "--log", "tensorboard"))


def test_a_mistake_leaves_stdout_empty(typed: Command) -> None:
    made = typed("run", "--method", "mamll", "--json")
    assert "did you mean 'maml'" in one_line(made) and not made.stdout
