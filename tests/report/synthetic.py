"""Synthetic records, as a run would write them, with random scores: the input of the report's tests."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import files, records
from bench.protocols import benchmarks, presets, protocol, published_weights
from bench.protocols.settings import with_settings
from bench.records import fields, layout

DIGEST = "d" * 64


def write_run(
    results: Path,
    benchmark: str = "omniglot-5w1s",
    method: str = "maml",
    seed: int = 0,
    preset: str = "paper",
    settings: tuple[str, ...] = (),
    *,
    accuracy: float = 0.95,
    status: str = "finished",
    iteration: int | None = None,
    data: dict[str, Any] | None = None,
    episodes_digest: str = "e" * 64,
    origin: dict[str, Any] | None = None,
) -> Path:
    """Writes a run, finished with one evaluation, or unfinished without; returns its folder."""
    named = benchmarks.get(benchmark)
    of = with_settings(presets.preset(preset, named), settings)
    if origin:
        of = replace(of, training=replace(of.training, origin=published_weights.origin(origin["files"])))
    about = {"name": named.source, "digest": DIGEST, "known_as": None, "partial": False} | (data or {})
    what = {"benchmark": benchmark, "method": method, "seed": seed, "training": of.training}
    run = layout.RunKey(data_digest=about["digest"], **what)
    key, folder = run.hash, run.folder(results)
    done = of.training.iterations if status == "finished" else 10
    info = {
        "format": fields.FORMAT, "benchmark": benchmark, "method": method, "seed": seed, "preset": preset,
        "training": asdict(of.training), "training_hash": key, "status": status, "iteration": done,
        "best_iteration": done, "data": about, "command": "python -m bench run", "files": {},
        "environment": {"python": "3.11", "packages": {"torch": "2.13.0"}, "commit": "c" * 40, "dirty": False},
        "execution": {"device": "cpu", "chunk": 4, "threads": 2, "deterministic": True},
        "seconds": {"training": 1.0, "validation": 0.1}, "peak_memory_bytes": 1,
    }  # fmt: skip
    if origin:
        info["origin"] = origin
    if status != "unfinished":
        info["files"] = {layout.CURVE: write_curve(folder, done, accuracy)}
    if method == "nearest":
        info["weights_of"] = str(folder).replace("nearest", "finetune")
    if status == "diverged":
        info["diverged_at"] = done
    files.write_sealed(folder / layout.RECORD, info)
    if status == "finished":
        write_scores(folder, named, method, seed, of.evaluation, iteration or done, accuracy, episodes_digest)
    return folder


def write_curve(folder: Path, iterations: int, accuracy: float) -> str:
    """Writes twenty rows, of which every second has no validation; returns the file's SHA-256."""
    x = np.unique(np.linspace(1, iterations, 20).astype(int))
    valid = np.where(np.arange(len(x)) % 2, accuracy - 0.3 * np.exp(-3 * x / iterations), np.nan)
    frame = pd.DataFrame(
        {"iteration": x, "train_loss": np.exp(-x / iterations), "valid_score": valid, "seconds": x * 0.1}
    )
    files.write_atomically(folder / layout.CURVE, lambda path: frame.to_parquet(path))
    return files.sha256(folder / layout.CURVE)


def write_scores(
    folder: Path, benchmark: benchmarks.Benchmark, method: str, seed: int, evaluation: protocol.Evaluation,
    iteration: int, accuracy: float, episodes_digest: str = "e" * 64,
) -> None:  # fmt: skip
    """Writes scores with a seed effect, an episode effect common to all runs, and binomial queries; better at each
    step."""
    own = np.random.default_rng([seed, sum(method.encode())])
    steps = {"finetune": evaluation.finetune_steps, "nearest": 0}.get(method, evaluation.inner_steps)
    of_episode = np.random.default_rng(0).normal(0, 0.06, (evaluation.episodes, 1))
    expected = accuracy + own.normal(0, 0.005) + of_episode - 0.4 * np.exp(-2.0 * np.arange(steps + 1)) * (steps > 0)
    queries = benchmark.ways * evaluation.queries
    scores = own.binomial(queries, np.clip(expected, 0, 1)) / queries
    info = {
        "setting": {"lr": 0.1} if method == "finetune" else {},
        "score": "accuracy",
        "seconds": 1.0,
        "episodes_digest": episodes_digest,
    }
    records.write_evaluation(folder, evaluation, iteration, steps, scores, info)
