"""The estimated duration of planned runs: from a record, from a measured chunk of episodes, or from an earlier
measurement."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from bench.runs import estimate, measured_steps, measurement_cache
from bench.training.meta_step import MetaStep
from tests.conftest import Command

TINY = ("run", "--benchmark", "tiny", "--set", "validations=1", "--set", "validation_episodes=1")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of remembered measurements, in an empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(measured_steps, "_UNDISTURBED", 0.0)  # tests run beside one another
    return tmp_path / "cache" / "bench-few-shot" / "step-seconds.json"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of episodes of every meta-step taken."""
    taken: list[int] = []

    def counted(self: MetaStep, drawn: Any) -> None:
        taken.append(drawn[0].shape[1])
        real(self, drawn)

    real = MetaStep.__call__
    monkeypatch.setattr(MetaStep, "__call__", counted)
    return taken


def test_a_record_tells_the_rate(typed: Command, cache: Path) -> None:
    assert typed(*TINY).returncode == 0
    assert "seed 0: nothing to train" in typed(*TINY, "--dry-run").stdout
    assert "seed 0: about" in typed(*TINY, "--dry-run", "--force").stdout
    planned = typed(*TINY, "--iterations", "2000", "--dry-run")
    assert "from a record of 20 iterations" in planned.stdout and "measured" not in planned.stdout + planned.stderr
    spread = typed(*TINY, "--iterations", "2000", "--seeds", "3", "--workers", "2", "--dry-run").stdout
    assert " with 2 workers, each as fast as one alone; one after another: about" in spread
    assert re.search("tiny maml [0-9a-f]{8}, paper, .*iterations=2000.*, seeds 0, 1, 2: about", spread)
    many = typed(*TINY, "--iterations", "2000", "--seeds", "99", "--dry-run").stdout
    assert "maml; seeds 0 to 98\n" in many and ", seeds 0 to 98: about" in many
    assert ", seed 12: about" in typed(*TINY, "--iterations", "2000", "--seed", "12", "--dry-run").stdout
    other = typed(*TINY, "--iterations", "2000", "--set", "inner_steps=2", "--dry-run")  # which costs something
    assert "from meta-steps measured here, eager" in other.stdout


def test_what_was_measured_is_remembered(typed: Command, cache: Path, steps: list[int]) -> None:
    assert "(from meta-steps measured here, eager)" in typed(*TINY, "--dry-run").stdout
    taken = len(steps)
    again = typed(*TINY, "--dry-run", "--iterations", "9", "--set", "meta_lr=0.1", "--seed", "3")  # which cost nothing
    assert "(from meta-steps measured here earlier, eager)" in again.stdout and "measuring" not in again.stderr
    assert len(steps) == taken > 0
    assert (
        "steps measured here, eager)"
        in typed(*TINY, "--dry-run", "--set", "evaluation.queries=3", "--set", "queries=3").stdout
    )
    for wrong in ("{", "[]", '{"numbers": 3}', '{"numbers": [["a"]]}', json.dumps({"numbers": [["a", "b"]] * 3})):
        cache.write_text(wrong)
        assert "(from meta-steps measured here, eager)" in typed(*TINY, "--dry-run").stdout


def test_the_oldest_are_forgotten_and_no_cache_is_needed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        measurement_cache.remember(str(number), 1.0 + number)
    monkeypatch.setattr(measurement_cache, "_MOST", 2)
    measurement_cache.remember("3", 4.0)
    assert [measurement_cache.recall(str(number)) for number in range(4)] == [None, None, 3.0, 4.0]
    cache.unlink()
    cache.parent.rmdir()
    cache.parent.write_text("no folder")
    measurement_cache.remember("3", 5.0)
    assert measurement_cache.recall("3") is None


def test_one_chunk_is_measured_whatever_the_meta_batch(typed: Command, cache: Path, steps: list[int]) -> None:
    asked = ("--mode", "eager", "--chunk", "2", "--iterations", "100000", "--dry-run")
    few = typed(*TINY, "--set", "meta_batch=2", *asked).stdout
    many = typed(*TINY, "--set", "meta_batch=10000", *asked).stdout
    assert set(steps) == {2} and len(steps) <= 6 and "measured here earlier" in many
    assert seconds(many) == pytest.approx(5000 * seconds(few), rel=0.1)  # as they are rounded


def seconds(planned: str) -> float:
    """The estimated seconds of the only planned cell."""
    (found,) = re.findall(r"about ([\d.]+) (s|min|h|days) \(", planned)
    return float(found[0]) * {"s": 1, "min": 60, "h": 3600, "days": 86_400}[found[1]]


def test_the_first_step_does_not_count_and_a_slow_one_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def warms_up() -> None:
        taken.append(time.monotonic())
        time.sleep(0.2 if len(taken) > 1 else 0.6)

    assert 0.2 <= measured_steps._fastest(warms_up, 0.1).seconds < 0.6 and len(taken) == 2
    taken.clear()
    found = measured_steps._fastest(warms_up, 1.5)
    assert 0.2 <= found.seconds < 0.6 and 3 <= len(taken) <= 5
    taken.clear()
    monkeypatch.setattr(measured_steps, "_SLOW", 0.5)
    assert measured_steps._fastest(warms_up, 0.1).seconds >= 0.6 and len(taken) == 1
    assert found.busy  # as seen from here, who gets no core while sleeping


def test_what_was_measured_beside_other_work_is_not_remembered(
    typed: Command, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured_steps, "_UNDISTURBED", 99.0)
    for _ in range(2):
        assert "(from meta-steps measured here, while other programs ran, eager)" in typed(*TINY, "--dry-run").stdout
    assert not cache.exists()


@pytest.mark.parametrize(("workers", "took"), [(1, 10.0), (2, 7.0), (3, 6.0), (4, 5.0), (9, 5.0)])
def test_cells_are_begun_in_turn_by_whoever_is_free(workers: int, took: float) -> None:
    assert estimate._makespan([1.0, 2.0, 2.0, 5.0], workers) == took


def test_the_cells_of_explain_are_measured(typed: Command, cache: Path) -> None:
    asked = ("explain", "--from", "article", "--to", "paper", "--benchmark", "tiny", "--iterations", "2000")
    listed = typed(*asked, "--dry-run")
    assert listed.returncode == 0 and "measured here: about" in listed.stdout, listed
    assert listed.stderr.count("measuring") > 1
    assert "measuring" not in typed(*asked, "--dry-run").stderr
