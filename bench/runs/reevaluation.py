"""Evaluates a trained run again, under other settings."""

from __future__ import annotations

from dataclasses import replace

from bench import records
from bench.data import store
from bench.errors import UserError, program
from bench.protocols import presets, protocol, settings
from bench.records import layout
from bench.records.locks import lock
from bench.records.record import read_info
from bench.runs import grids, recorded, used_settings
from bench.runs.evaluate import score_at
from bench.runs.job import Job
from bench.runs.planning import job_of
from bench.runs.request import Request
from bench.training.watch import Listener


def evaluation_job(run: str, request: Request, at: int | None) -> Job:
    """A trained run with another evaluation, or on another benchmark. Raises UserError if it is not trained, if the
    data here are not those it was trained on, or if its weights of iteration `at` were not kept or do not fit."""
    (folder,) = layout.find(request.results, [run], one=True)
    info = read_info(folder)
    if info["status"] != "finished":
        mend = f": resume it with `{program()} run` and its settings" if info["status"] == "unfinished" else ""
        raise UserError(f"{folder} is {info['status']}: there are no trained weights to evaluate{mend}")
    method = recorded.method_of(folder, info, request.methods)
    used_settings.check_evaluation(request.settings, method)
    benchmark, training, data = recorded.trained_on(folder, info, request.data_dir)
    tested_on = store.benchmark(request.benchmarks[0], request.data_dir) if request.benchmarks else benchmark
    evaluation = presets.preset(info["preset"], tested_on, method.settings).evaluation
    changed = protocol.Protocol(training, settings.with_evaluation_settings(evaluation, request.settings))
    of_record = {"benchmark": benchmark, "method": method, "seed": info["seed"], "preset": info["preset"]}
    job = replace(job_of(request, asked=changed, data=data, **of_record), place=folder)
    if tested_on != benchmark:
        job = recorded.on_benchmark(job, tested_on, request.data_dir)
    job.check()
    layout.weights_of(folder, info, job.protocol.evaluation, at)
    return job


def evaluate_run(job: Job, at: int | None, on_event: Listener) -> records.Evaluated:
    """Evaluates a trained run's weights at iteration `at` (None: the one that the evaluation specifies) and adds the
    scores to its record, with the choice of a grid if the run is one's. Raises Busy if another process is working on
    the run."""
    with lock(job.folder):
        found = grids.with_stored_choice(job.folder, score_at(job, read_info(job.folder), at, on_event))
        records.write_evaluation(job.folder, found.evaluation, found.iteration, found.step, found.scores, found.info)
        return found
