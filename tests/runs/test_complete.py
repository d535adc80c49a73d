"""Runs through the command line's entry point, on `tiny`: what is kept, skipped, refused, and done again."""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import files, provenance, records
from bench.cli.running import Stop
from bench.data import listing, store
from bench.errors import UserError
from bench.files import sha256
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.records import layout, weights
from bench.records import record as record_module
from bench.runs import planning, preview
from bench.runs import request as requests
from bench.training import initial
from methods import METHODS
from tests.conftest import Command, build, one_line

TINY = ("run", "--benchmark", "tiny", "--set", "iterations=4", "--set", "validations=2")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results" / "runs"


def only(results: Path) -> records.Record:
    """The only run in the results."""
    (found,) = records.read_all(results)[0]
    return found


def sums(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in folder.rglob("*") if path.suffix in (".safetensors", ".parquet")}


@pytest.mark.parametrize(
    ("count", "named", "expected"), [(3, [], [0, 1, 2]), (None, [4, 2, 4], [2, 4]), (None, [0], [0]), (None, [], [0])]
)
def test_seeds(count: int | None, named: list[int], expected: list[int]) -> None:
    assert requests.seeds(count, named) == expected


def test_seed_0_is_a_seed_like_any_other(typed: Command, results: Path) -> None:
    assert typed(*TINY, "--seed", "0", "--seed", "3").returncode == 0
    zero, three = (sha256(folder / layout.WEIGHTS) for folder in layout.folders(results))
    assert typed(*TINY, "--seed", "0", "--results", "again").returncode == 0
    assert zero == sha256(next(layout.folders(results.parents[1] / "again")) / layout.WEIGHTS) != three


def test_an_evaluation_changes_neither_weights_nor_choice(typed: Command, results: Path) -> None:
    """Validation belongs to the training: the best weights are the same, whichever evaluation is requested first."""
    assert typed(*TINY).returncode == 0
    first = only(results)
    other = ("--set", "evaluation.queries=9", "--set", "evaluation.inner_steps=1", "--results", "other")
    assert typed(*TINY, *other).returncode == 0
    second = only(results.parents[1] / "other")
    assert first.path.parts[-4:] == second.path.parts[-4:]
    assert first.info["files"][layout.WEIGHTS] == second.info["files"][layout.WEIGHTS]
    assert first.info["files"][layout.BEST] == second.info["files"][layout.BEST]
    assert first.info["execution"] == second.info["execution"]


def test_a_run_goes_on_with_the_validation_it_began_with(
    typed: Command, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two presets may share a training, but not an evaluation."""
    small = ("classes=train", "validations=2", "validation_episodes=4", "evaluation.episodes=2", "queries=3")
    asked = ("run", "--benchmark", "tiny", "--method", "reptile", "--iterations", "4", "--seed", "0")
    asked = (*asked, *(text for setting in small for text in ("--set", setting)), "--protocol")
    assert typed(*asked, "nichol", "--results", "whole").returncode == 0
    with monkeypatch.context() as patched:
        calls = itertools.count(1)
        patched.setattr(Stop, "__call__", lambda stop: next(calls) >= 3)
        assert "at iteration 3; resume" in typed(*asked, "nichol").stderr
    assert typed(*asked, "nichol-transduction").returncode == 0
    whole, resumed = (records.read(next(layout.folders(path))) for path in (Path("whole"), results))
    scores = [each.curve["valid_score"].dropna().tolist() for each in (whole, resumed)]
    assert len(scores[0]) == 2 and scores[0] == scores[1]


def test_an_evaluation_is_added_and_scores_the_same_episodes(typed: Command, results: Path) -> None:
    assert typed(*TINY).returncode == 0
    before = only(results)
    assert typed("evaluate", before.name, "--set", "episodes=7").returncode == 0
    short = next(e for e in only(results).evaluations if e.evaluation.episodes == 7)
    np.testing.assert_array_equal(short.scores, before.evaluations[0].scores[:7])
    assert sums(before.path).items() >= {n: s for n, s in before.info["files"].items() if "curve" not in n}.items()


def test_kept_weights_are_those_of_a_shorter_run(typed: Command, results: Path) -> None:
    assert typed(*TINY, "--keep", "2").returncode == 0
    run = only(results).name
    assert typed("evaluate", run, "--at", "2").returncode == 0
    at_two = next(e for e in only(results).evaluations if e.iteration == 2)
    assert typed(*TINY, "--iterations", "2", "--results", "short").returncode == 0
    np.testing.assert_array_equal(at_two.scores, only(results.parents[1] / "short").evaluations[0].scores)
    assert "only those of" in one_line(typed("evaluate", run, "--at", "3"))
    assert "give one of them" in one_line(typed("evaluate", run, "--at", "2", "--set", "weights=best"))
    assert "did you mean" in one_line(typed("evaluate", run, "--set", "querys=2"))


def test_the_article_s_training_is_evaluated_at_both_of_its_iterations(typed: Command, results: Path) -> None:
    article = ("run", "--benchmark", "tiny", "--protocol", "article", "--set", "inner_steps=1")
    asked = (*article, "--set", "evaluation.queries=2", "--set", "queries=2")
    ran = typed(*asked)
    assert ran.returncode == 0 and "(also evaluated after 20)" in ran.stdout
    assert "after 20 iterations" in ran.stdout and "after 25 iterations" in ran.stdout
    record = only(results)
    earlier, later = sorted(record.evaluations, key=lambda e: e.iteration)
    assert (earlier.iteration, later.iteration) == (20, 25) and "weights@20.safetensors" in record.info["files"]
    assert typed(*asked, "--iterations", "20", "--results", "short").returncode == 0
    (short,) = only(results.parents[1] / "short").evaluations
    np.testing.assert_array_equal(earlier.scores, short.scores)
    assert typed(*asked).stdout.count("already finished") == 1
    (record.path / "evaluations" / f"{layout.evaluation_stem(earlier.evaluation, 20)}.json").unlink()
    assert "already finished" not in typed(*asked).stdout
    assert len(only(results).evaluations) == 2


def test_a_milestone_that_was_not_kept_is_said(typed: Command, results: Path) -> None:
    article = ("--protocol", "article", "--set", "inner_steps=1", "--set", "queries=2", "--set", "evaluation.queries=2")
    ran = typed("run", "--benchmark", "tiny", *article)
    assert ran.returncode == 0 and "were not kept" not in ran.stdout
    folder = only(results).path
    info = records.read_info(folder)
    lost = info | {"files": {k: v for k, v in info["files"].items() if "@" not in k}}
    files.write_sealed(folder / layout.RECORD, lost)
    assert "the weights of iteration 20 were not kept" in typed("run", "--benchmark", "tiny", *article).stdout


def test_a_run_can_be_named_from_inside_or_after_a_move(
    typed: Command, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert typed(*TINY).returncode == 0
    folder = only(results).path
    moved = results.parents[1] / "moved" / Path(*folder.parts[-2:])
    moved.parent.mkdir(parents=True)
    folder.rename(moved)
    monkeypatch.chdir(moved)
    assert typed("evaluate", ".", "--set", "episodes=5").returncode == 0
    assert len(records.read(moved).evaluations) == 2


def test_damaged_weights_are_refused(typed: Command, results: Path) -> None:
    assert typed(*TINY, "--method", "finetune").returncode == 0
    weights = only(results).path / layout.WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "damaged" in one_line(typed("evaluate", only(results).name, "--set", "queries=2"))
    assert "damaged" in one_line(typed(*TINY, "--method", "nearest"))


def test_weights_of_another_network_are_refused(typed: Command, results: Path) -> None:
    """Even if the record has their checksum."""
    assert typed(*TINY).returncode == 0
    record = only(results)
    path = record.path / layout.WEIGHTS
    state = weights.load_state(path, torch.device("cpu"))
    weights.save_state(path, state._replace(params={name: value[:1] for name, value in state.params.items()}))
    sums = record.info["files"] | {path.name: sha256(path)}
    files.write_sealed(record.path / layout.RECORD, record.info | {"files": sums})
    line = one_line(typed("evaluate", record.name, "--set", "queries=2"))
    assert "of another network" in line and "--force" in line


def test_loaded_weights_are_in_the_networks_own_order(
    tmp_path: Path, small: Benchmark, tiny_protocol: Protocol
) -> None:
    """A compiler needs a fixed order: with the order of the file, every evaluation was compiled again."""
    path, state = tmp_path / "weights", initial.initial_state(build("finetune", small, tiny_protocol), 0)
    weights.save_state(path, state)
    loaded = weights.load_state(path, torch.device("cpu"))
    assert [list(part) for part in loaded] != [list(part) for part in state]
    fitted = weights.fit_to(path, loaded, state)
    assert [list(part) for part in fitted] == [list(part) for part in state]
    for found, part in zip(fitted, state, strict=True):
        for name, tensor in part.items():
            assert torch.equal(found[name], tensor)


def test_a_damaged_evaluation_is_made_again_and_nothing_else(typed: Command, results: Path) -> None:
    assert typed(*TINY).returncode == 0
    record = only(results)
    expected = sums(record.path)
    next((record.path / "evaluations").glob("*.parquet")).write_bytes(b"PAR1")
    assert typed("report").returncode == 1
    assert typed(*TINY).returncode == 0
    assert sums(record.path) == expected


def test_results_that_changed_are_no_changed_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bench/provenance.py", "results/reference/record.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    me = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    for words in (("init", "-q"), ("add", "."), (*me, "commit", "-qm", "all")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "bench" / "provenance.py"))
    (tmp_path / "results" / "reference" / "record.json").write_text("2")
    assert provenance.commit()["dirty"] is False
    (tmp_path / "bench" / "provenance.py").write_text("2")
    assert provenance.commit()["dirty"] is True


def test_a_record_is_read_once_and_handed_on(typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """And once more by the command, which reports the outcome of the run."""
    read = {"read_info": 0, "read_evaluation": 0}

    def counted(name: str) -> None:
        original = getattr(record_module, name)

        def reading(path: Path) -> object:
            read[name] += 1
            return original(path)

        for module in (records, record_module):
            monkeypatch.setattr(module, name, reading)

    counted("read_info"), counted("read_evaluation")
    assert typed(*TINY).returncode == 0
    # Before its evaluation is made, the run looks whether it is there.
    assert read == {"read_info": 1, "read_evaluation": 2}
    assert typed(*TINY).returncode == 0
    assert read == {"read_info": 3, "read_evaluation": 4}


def test_a_diverged_run_stays_diverged(typed: Command, results: Path) -> None:
    wild = (*TINY, "--set", "meta_lr=1e30")
    assert typed(*wild).returncode == 1
    record = only(results)
    assert record.status == "diverged" and not record.evaluations and len(record.curve)
    at = f"diverged at iteration {record.info['diverged_at']}"
    again = typed(*wild)
    assert again.returncode == 1 and f"{at}: the loss or the weights are no longer finite" in again.stdout
    assert f"{at}; excluded from means" in typed("report").stdout
    assert "no trained weights" in one_line(typed("evaluate", record.name))


def test_another_copy_of_the_data_is_another_run(
    typed: Command, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert typed(*TINY).returncode == 0
    run, load = only(results).name, store.load
    monkeypatch.setattr(store, "load", lambda *arguments: replace(load(*arguments), digest="f" * 64))
    assert "another copy of the data" in one_line(typed("evaluate", run))
    assert typed(*TINY).returncode == 0
    assert len(records.read_all(results)[0]) == 2


def test_nearest_evaluates_the_weights_of_finetune(typed: Command, results: Path) -> None:
    assert typed(*TINY, "--method", "nearest").returncode == 0
    lender, borrower = (next(r for r in records.read_all(results)[0] if r.method == m) for m in ("finetune", "nearest"))
    assert borrower.info["weights_of"] == lender.name and not lender.evaluations
    assert lender.info["files"].items() - borrower.info["files"].items() == {
        (layout.OPTIMISER, sha256(lender.path / layout.OPTIMISER))  # which only a training goes on with
    }
    assert borrower.evaluations[0].scores.shape[1] == 1


def test_the_plan_says_what_stands_in_the_way_of_a_verdict(typed: Command) -> None:
    shown = typed(*TINY, "--set", "evaluation.queries=2", "--seeds", "3").stdout
    assert "evaluation.queries=2" in shown and "no published number" in shown
    job = planning.jobs(request(["maml"], ["omniglot-5w1s"], [0, 1, 2], "paper"))
    assert "judged by" in "\n".join(preview.describe(job)) and "98.70 ± 0.40" in "\n".join(preview.describe(job))
    short = planning.jobs(request(["maml"], ["omniglot-5w1s"], [0], "quick"))
    described = "\n".join(preview.describe(short))
    assert "not be judged: 1 seed, but 3 are needed; iterations 250, not 60000" in described
    assert "--protocol paper" in described


def request(methods: list[str], names: list[str], seeds: list[int], preset: str) -> requests.Request:
    cpu = planning.torch.device("cpu")
    what = {"methods": methods, "benchmarks": names, "seeds": seeds, "protocol": preset, "settings": []}
    how = {"device": cpu, "results": Path("results"), "data_dir": None, "chunk": None, "mode": None, "command": ""}
    return requests.Request(**what, **how)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("partial", [True, False])
def test_the_default_benchmark(monkeypatch: pytest.MonkeyPatch, kind: str, here: bool, partial: bool) -> None:
    rows = [{"source": "omniglot", "here": True, "partial": False}]
    rows.append({"source": "mini-imagenet", "here": here, "partial": partial})
    monkeypatch.setattr(listing, "available", lambda _: rows)
    wanted = replace(request(["maml"], [], [0], "paper"), device=planning.torch.device(kind))
    full = kind == "cuda" and here and not partial
    assert planning._default_benchmark(wanted).name == ("miniimagenet-5w5s" if full else "omniglot-5w1s")
    assert planning.default_protocol(wanted.device) == ("paper" if kind == "cuda" else "quick")


def test_a_method_refuses_what_it_cannot_do(typed: Command) -> None:
    for name, kind in METHODS.items():
        result = typed(*TINY, "--method", name, "--set", "evaluation.batch_statistics=running", "--set", "episodes=2")
        assert (result.returncode == 0) == ("running" in kind.batch_statistics), name
    with pytest.raises(UserError, match="did you mean"):
        planning.jobs(request(["fomamml"], [], [0], "paper"))
