"""Scores a trained run's weights, and adds the scores to its record."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from bench import records
from bench.episodes.functions import FunctionEpisodes
from bench.records.choices import edges
from bench.records.layout import weights_of
from bench.records.weights import fit_to, load_state
from bench.runs.job import Job, data_of
from bench.runs.memory import halving_chunks
from bench.training import evaluation as scoring
from bench.training import modes
from bench.training.compiling import announce
from bench.training.execution import Execution
from bench.training.execution_record import ExecutionRecord
from bench.training.function_fit import fit
from bench.training.watch import Listener, ignore
from bench.training.workload import Workload


def evaluate_at(job: Job, info: dict[str, Any], at: int | None, on_event: Listener) -> records.Evaluated:
    """Adds an evaluation to the record, as `score_at` makes it."""
    found = score_at(job, info, at, on_event)
    records.write_evaluation(job.folder, found.evaluation, found.iteration, found.step, found.scores, found.info)
    return found


def score_at(job: Job, info: dict[str, Any], at: int | None, on_event: Listener) -> records.Evaluated:
    """The scores of a trained run's weights at iteration `at` (None: the one that the evaluation specifies); nothing is
    written. Episodes whose outputs are not finite have the score NaN."""
    iteration, name = weights_of(job.folder, info, job.protocol.evaluation, at)
    return score_weights(job, records.checked_path(job.folder, name, info["files"]), iteration, on_event)


def score_weights(job: Job, weights: Path, iteration: int, on_event: Listener = ignore) -> records.Evaluated:
    """The scores of a file of weights from `iteration`, under the job's evaluation; nothing is written."""
    return halving_chunks(job.workload, 1, lambda smaller: _score(smaller, job, weights, iteration, on_event), on_event)


def _score(workload: Workload, job: Job, weights: Path, iteration: int, on_event: Listener) -> records.Evaluated:
    evaluation, started = workload.protocol.evaluation, time.monotonic()
    loaded = load_state(weights, workload.device)
    state = fit_to(weights, loaded, workload.initial_state(job.seed))
    valid, test = workload.stream("valid"), workload.stream("test")
    validated, state = (workload.state_for(split, state) for split in ("valid", "test"))

    def attempt(runner: Execution) -> tuple[Execution, scoring.Choice, np.ndarray, dict[str, Any]]:
        tested, method = (workload.build(runner.layers, runner.precision, split) for split in ("valid", "test"))
        if runner.compiled:
            with announce(runner, on_event):  # one episode of each compiles what all of them need
                scoring.scores(runner, tested, validated, valid, 1, tested.candidates()[0])
                scoring.scores(runner, method, state, test, 1, method.candidates()[0])
        # A method with nothing to choose needs no validation here: one episode shows how many steps it takes.
        choice = scoring.choose(runner, tested, validated, valid, 1, evaluation.finetune_episodes, on_event)
        found = scoring.scores(runner, method, state, test, evaluation.episodes, choice.setting, on_event)
        kept = {"at_edge": edges(method.candidates(), choice.setting, choice.step, found.shape[1] - 1)}
        if isinstance(test, FunctionEpisodes):
            kept["fit"] = fit(runner, method, state, test, choice)
        return runner, choice, found, kept

    runner, choice, scores, kept = modes.first_that_runs(workload.evaluation_executions(), attempt, on_event)
    how = ExecutionRecord.of(runner)
    about = {
        "command": job.command,
        "settings": list(job.workload.method.settings),
        "setting": dict(choice.setting),
        "score": workload.benchmark.measure.name,
        "seconds": time.monotonic() - started,
        "episodes_digest": test.digest,
        **({"data": data_of(test.data)} if workload.tested_on else {}),
        "execution": how.stated,
        "environment": how.environment,
        **kept,
    }
    return records.Evaluated(evaluation, iteration, choice.step, scores, about)
