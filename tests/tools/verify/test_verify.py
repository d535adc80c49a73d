"""`verify` at the command line: equal results are reported as equal, and for others the first difference is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from bench import cli, files, records
from bench.data import store
from bench.records import layout, weights
from bench.tools.verify import differences, verify
from bench.training.watch import ignore
from tests.conftest import Command, one_line

RUN = ("run", "--benchmark", "tiny", "--iterations", "6", "--keep", "3")
TOGETHER = ("--seeds", "2", "--together", "2", "--chunk", "3")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """Two seeds of two methods that trained together; the first one of maml has an evaluation of each of its
    weights."""
    results = tmp_path_factory.mktemp("trained") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_DATA", str(data_dir))
        assert cli.main([*RUN, *TOGETHER, "--method", "maml", "--method", "nearest", "--results", str(results)]) == 0
        first = str(next((results / "tiny" / "maml").glob("*/seed0")))
        assert cli.main(["evaluate", first, "--at", "3"]) == 0
        assert cli.main(["evaluate", first, "--set", "weights=best", "--set", "queries=3"]) == 0
    return results


@pytest.fixture
def results(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained runs that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "results" / "runs"))


@pytest.fixture
def folder(results: Path) -> Path:
    return next((results / "tiny" / "maml").glob("*/seed0"))


def edit(path: Path, change: Callable[[dict], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    files.write_sealed(path, value)  # with a sum that is right, as one who forges it would


def vouch(folder: Path, name: str) -> None:
    """Updates the record's checksum of a file, as a forger would."""
    edit(folder / layout.RECORD, lambda info: info["files"].update({name: files.sha256(folder / name)}))


def record(change: Callable[[dict], object]) -> Callable[[Path], object]:
    """A function that applies a change to a folder's record."""
    return lambda folder: edit(folder / layout.RECORD, change)


def rewrite_scores(folder: Path, change: Callable[[np.ndarray], object]) -> Path:
    """Changes the scores of the last weights in the preset's evaluation, with their checksum; returns the JSON file."""
    path = max(
        (folder / "evaluations").glob("*@6.json"), key=lambda p: records.read_evaluation(p).evaluation.queries < 3
    )
    scores = records.read_evaluation(path).scores.copy()
    change(scores)
    pd.DataFrame(scores, columns=[str(k) for k in range(scores.shape[1])]).to_parquet(path.with_suffix(".parquet"))
    edit(path, lambda info: info.update(sha256=files.sha256(path.with_suffix(".parquet"))))
    return path


def rewrite_weights(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], object], name: str = layout.WEIGHTS
) -> None:
    tensors, _ = weights.load(folder / name, torch.device("cpu"))
    change(tensors)
    weights.save(folder / name, tensors)
    vouch(folder, name)


def test_everything_is_equal(typed: Command, results: Path) -> None:
    result = typed("verify", "--all")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("verified: bit for bit") == 6
    assert result.stdout.count("20 episodes x inner steps 0 to 3 equal") == 4
    assert result.stdout.count("20 episodes x inner steps 0 to 0 equal") == 2


@pytest.mark.slow
def test_trained_again_everything_is_equal(typed: Command, results: Path) -> None:
    """With the seeds that trained together, the weights that were kept, and the weights that another method uses."""
    result = typed("verify", "tiny/maml", "--retrain")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("repeated; bits are promised here") == 2 and "(cpu, eager, 3 at once" in result.stdout
    for name in ("curve", "weights.safetensors", "best.safetensors", "weights@3.safetensors"):
        assert result.stdout.count(f"  {name:<28}equal, bit for bit") == 2, name
    lent = typed("verify", "tiny/nearest", "--retrain")
    assert lent.returncode == 0 and lent.stdout.count("bits are promised here") == 2


def test_a_training_that_diverges_here_is_compared_as_far_as_it_went(folder: Path, tmp_path: Path) -> None:
    here = Path(shutil.copytree(folder, tmp_path / "again" / layout.run_name(folder)))
    (here / layout.OPTIMISER).unlink()
    edit(here / layout.RECORD, lambda info: info.update(status="diverged") or info["files"].pop(layout.OPTIMISER))
    found = {each.what: each for each in verify.compare_training(verify.open_run(folder, None, ignore), here)}
    assert "finished recorded, diverged here" in found["status"].text
    assert "recorded, not written here" in found[layout.OPTIMISER].text
    assert found[layout.WEIGHTS].text == "equal, bit for bit"


def test_a_forged_score_is_found(typed: Command, folder: Path) -> None:
    def forge(scores: np.ndarray) -> None:
        scores[4, 2:] += 0.2

    rewrite_scores(folder, forge)
    result = typed("verify", str(folder))
    assert result.returncode == 1 and "NOT VERIFIED" in result.stdout
    assert "first difference at episode 4, inner step 2: " in result.stdout
    assert "in 1 episode, by at most 0.2; mean score" in result.stdout and "bits are promised here" in result.stdout


def test_a_forged_weight_is_found(typed: Command, folder: Path) -> None:
    rewrite_weights(folder, lambda tensors: tensors["params.head.bias"].add_(torch.tensor([0, 0, 0.5, 0, 0])))
    result = typed("verify", str(folder), "--retrain")
    assert result.returncode == 1
    assert "tensor params.head.bias [2]: " in result.stdout and "at most 0.5" in result.stdout
    assert f"  {'best.safetensors':<28}equal" in result.stdout


def test_a_forged_curve_is_found(typed: Command, folder: Path) -> None:
    frame = pd.read_parquet(folder / layout.CURVE)
    frame.loc[3, "train_loss"] -= 0.25
    frame.to_parquet(folder / layout.CURVE)
    vouch(folder, layout.CURVE)
    edit(folder / layout.RECORD, lambda info: info.update(best_score=0.99))
    result = typed("verify", str(folder), "--retrain")
    assert result.returncode == 1
    assert "curve" in result.stdout and "first difference at row 3 (iteration 4), train_loss: " in result.stdout
    assert "best_score" in result.stdout and "0.99 recorded" in result.stdout


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / layout.WEIGHTS).write_bytes(b"x"), "damaged (its SHA-256 differs from the recorded one)"),
        (lambda f: (f / layout.BEST).unlink(), "No such file"),
        (lambda f: next((f / "evaluations").glob("*.parquet")).write_bytes(b"x"), "damaged"),
        (lambda f: (f / layout.RECORD).write_text("{"), "record.json"),
        (
            record(lambda i: i["episodes_digest"].update(valid="0")),
            "valid episodes are not",
        ),
        (
            lambda f: edit(f / layout.RECORD, lambda i: i["execution"].update(chunk=-1)),
            "the recorded execution settings are impossible",
        ),
        (record(lambda i: i.update(status="unfinished")), "nothing to verify yet"),
        (record(lambda i: i.update(best_iteration=2)), "its best iteration is 2, not"),
        (lambda f: rewrite_weights(f, lambda t: t.pop("params.head.bias")), "do not fit the network"),
        (
            lambda f: edit(rewrite_scores(f, lambda s: s), lambda i: i.update(episodes_digest="0")),
            "computed on other episodes than the recorded ones",
        ),
    ],
)
def test_what_is_not_right_is_named(typed: Command, folder: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(folder)
    result = typed("verify", "--all")
    assert result.returncode == 1 and said in result.stdout and "Traceback" not in result.stderr
    assert result.stdout.count("NOT VERIFIED") == 1 and result.stdout.count("verified: bit for bit") == 5


def test_another_machine_is_measured(typed: Command, folder: Path) -> None:
    def elsewhere(info: dict) -> None:
        info["environment"]["processor"] = "another"
        info["execution"].update(mode="graph", device="cuda:7")

    def rounded(scores: np.ndarray) -> None:
        scores[4, 2:] += 0.2

    edit(rewrite_scores(folder, rounded), elsewhere)
    result = typed("verify", str(folder))
    assert (
        result.returncode == 0
        and "verified, within the differences shown above: bits are not promised here" in result.stdout
    )
    assert "device cuda -> cpu" in result.stdout and "mode graph -> eager" in result.stdout
    assert "processor another -> " in result.stdout and "episode 4, inner step 2" in result.stdout
    edit(rewrite_scores(folder, lambda scores: scores.fill(0.9)), elsewhere)
    assert typed("verify", str(folder)).returncode == 1


def test_a_diverged_run_is_verified_too(typed: Command, tmp_path: Path) -> None:
    wild = ("run", "--benchmark", "tiny", "--iterations", "4", "--set", "meta_lr=1e30", "--results", "wild")
    assert typed(*wild).returncode == 1
    result = typed("verify", "tiny", "--results", "wild", "--retrain")
    assert result.returncode == 0 and "no scores are stored; the run is diverged" in result.stdout
    assert "bits are promised here" in result.stdout
    assert f"  {'curve':<28}equal, bit for bit" in result.stdout


def test_mistakes(typed: Command, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "under results/runs: did you mean tiny/maml? names there" in one_line(typed("verify", "tiny/mamll"))
    assert "name runs, or give --all" in one_line(typed("verify"))
    assert "name runs, or give --all" in one_line(typed("verify", "tiny", "--all"))
    assert "nowhere has no records" in one_line(typed("verify", "--all", "--results", "nowhere"))
    assert "did you mean --retrain" in one_line(typed("verify", "tiny", "--retrian"))
    load = store.load
    monkeypatch.setattr(store, "load", lambda *a: type(load(*a))(**vars(load(*a)) | {"digest": "f" * 64}))
    assert "another copy of the data" in one_line(typed("verify", "tiny/maml"))


def test_nothing_is_written(typed: Command, results: Path) -> None:
    before = {path: files.sha256(path) for path in results.rglob("*") if path.is_file()}
    assert typed("verify", "--all").returncode == 0
    assert before == {path: files.sha256(path) for path in results.rglob("*") if path.is_file()}


def test_fast_is_recorded_and_promises_nothing(typed: Command, tmp_path: Path) -> None:
    assert typed(*RUN, "--fast").returncode == 0
    assert not torch.are_deterministic_algorithms_enabled()
    (record,) = records.read_all(tmp_path / "results" / "runs")[0]
    assert (
        record.info["execution"]["deterministic"] is False is record.evaluations[0].info["execution"]["deterministic"]
    )
    assert typed(*RUN, "--results", "slow").returncode == 0
    assert torch.are_deterministic_algorithms_enabled()
    assert "it ran with --fast" in typed("verify", "tiny", "--retrain").stdout


def test_differences() -> None:
    nan, one = np.array([[np.nan, 0.0]]), np.array([[np.nan, -0.0]])
    assert differences.of_scores(nan, nan.copy()) is None
    found = differences.of_scores(nan, one)
    assert (
        found is not None and found.first.startswith("episode 0, inner step 1: 0 recorded, -0 here") and found.most == 0
    )
    apart = differences.of_scores(np.array([[0.7]]), np.array([[np.nextafter(0.7, 1)]]))
    assert apart is not None and apart.first.endswith(": 0.7 recorded, 0.7000000000000001 here")
    single = differences.of_tensors({"a": np.float32(0.1)[...]}, {"a": np.nextafter(np.float32(0.1), 1)[...]})
    assert single is not None and single.first.endswith(": 0.100000001 recorded, 0.100000009 here")
    lost = differences.of_scores(np.array([[1.0]]), np.array([[np.nan]]))
    assert lost is not None and lost.most == np.inf
    shapes = differences.of_tensors({"a": np.ones(2, np.float32)}, {"a": np.ones(3, np.float32)})
    assert shapes is not None and shapes.first == "a: float32 [2] recorded, float32 [3] here"
    missing = differences.of_tensors({"a": np.ones(2)}, {})
    assert missing is not None and missing.first == "tensor a is in only one of them"
    scalars = differences.of_tensors({"a": np.float32(1)[...]}, {"a": np.float32(2)[...]})
    assert scalars is not None and scalars.first == "tensor a []: 1 recorded, 2 here" and scalars.most == 1
