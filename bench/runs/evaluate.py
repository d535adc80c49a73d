"""Scores a trained run's weights and adds the scores to its record."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from bench import provenance, records
from bench.episodes import sampling
from bench.protocols.benchmarks import FUNCTIONS
from bench.records.locks import locked
from bench.records.weights import fitted, load_state
from bench.runs import recording
from bench.runs.job import Job
from bench.runs.memory import halving_chunks
from bench.runs.status import weights_of
from bench.training import evaluation as scoring
from bench.training import modes
from bench.training.execution import Execution
from bench.training.function_fit import fit
from bench.training.initial import initial_state
from bench.training.watch import Listener, ignore


def evaluated(job: Job, at: int | None, on_event: Listener) -> records.Evaluated:
    """Evaluates a trained run's weights at iteration `at` (None: as the evaluation says) and adds the scores to it.

    Raises Busy where another process works on it."""
    with locked(job.folder):
        return evaluate_at(job, records.read_info(job.folder), at, on_event)


def evaluate_at(job: Job, info: dict[str, Any], at: int | None, on_event: Listener) -> records.Evaluated:
    """Adds an evaluation to the record, with scores that are no numbers where outputs are not finite."""
    iteration, name = weights_of(job.folder, info, job.protocol.evaluation, at)
    found = scored(job, records.checked(job.folder, name, info["files"]), iteration, on_event)
    records.write_evaluation(job.folder, found.evaluation, iteration, found.step, found.scores, found.info)
    return found


def scored(job: Job, weights: Path, iteration: int, on_event: Listener = ignore) -> records.Evaluated:
    """The scores of these weights, of that iteration, under the job's evaluation; nothing is written."""
    return halving_chunks([job], lambda smaller: _scored(smaller[0], weights, iteration, on_event), on_event)


def _scored(job: Job, weights: Path, iteration: int, on_event: Listener) -> records.Evaluated:
    evaluation, started = job.protocol.evaluation, time.monotonic()
    loaded = load_state(weights, job.device)
    state = fitted(weights, loaded, initial_state(job.build(), job.seed))
    valid = job.source("valid", sampling.EVALUATION_SEED, evaluation.queries)
    test = job.source("test", sampling.EVALUATION_SEED, evaluation.queries)

    def attempt(runner: Execution) -> tuple[Execution, scoring.Choice, np.ndarray, dict[str, Any]]:
        method = job.build(runner.layers, runner.precision)
        # A method with nothing to choose needs no validation here: one episode shows which step is its last.
        choice = scoring.choose(runner, method, state, valid, 1, evaluation.finetune_episodes, on_event)
        found = scoring.scores(runner, method, state, test, evaluation.episodes, choice.setting, on_event)
        kept = {"fit": fit(runner, method, state, test, choice)} if job.benchmark.form == FUNCTIONS else {}
        return runner, choice, found, kept

    runner, choice, scores, kept = modes.first_that_runs(job.evaluation_executions(), attempt, on_event)
    about = {
        "command": job.command,
        "setting": dict(choice.setting),
        "score": job.benchmark.measure.name,
        "seconds": time.monotonic() - started,
        "episodes_digest": recording.digest(job, "test", sampling.EVALUATION_SEED, evaluation.queries),
        "execution": recording.executed(runner),
        "environment": provenance.describe(),
        **kept,
    }
    return records.Evaluated(evaluation, iteration, choice.step, scores, about)
