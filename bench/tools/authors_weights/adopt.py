"""Turns weights that were trained with the paper's code into a finished run."""

from __future__ import annotations

from dataclasses import replace

from bench.data import benchmark_data, store
from bench.errors import UserError
from bench.networks.conv4 import conv4
from bench.protocols import presets, protocol, published_weights, settings
from bench.protocols.benchmarks import FUNCTIONS
from bench.runs import used_settings
from bench.runs.adopt import adopt_state
from bench.runs.job import Job
from bench.runs.planning import job_of
from bench.runs.request import Request
from bench.tools.authors_weights import parameters
from bench.tools.authors_weights.checkpoint import Checkpoint
from bench.training.workload import NamedMethod
from methods.contract import State


def checkpoint_job(checkpoint: Checkpoint, request: Request) -> Job:
    """A run of MAML under the protocol `paper` with these weights, and with the evaluation of `request.protocol`.
    Raises UserError if the weights are known to belong to another benchmark."""
    benchmark, method = store.benchmark(request.benchmarks[0], request.data_dir), NamedMethod("maml")
    if benchmark.form == FUNCTIONS:
        raise UserError(f"--benchmark {benchmark.name}: a checkpoint of the paper's convolutional network needs images")
    known = published_weights.recognise(checkpoint.files)
    if known and known.benchmark != benchmark.name:
        raise UserError(f"--benchmark {benchmark.name}: {known.name} were trained on {known.benchmark}")
    evaluation = presets.preset(request.protocol or "paper", benchmark).evaluation
    evaluation = settings.with_evaluation_settings(evaluation, request.settings)
    used_settings.check_evaluation(request.settings, method)
    training = presets.paper(benchmark).training
    training = replace(training, iterations=checkpoint.iteration, origin=checkpoint.origin)
    data = benchmark_data.load(benchmark, training, request.data_dir)
    asked = protocol.Protocol(training, evaluation)
    job = job_of(request, benchmark=benchmark, method=method, seed=0, asked=asked, preset="paper", data=data)
    job.check()
    return job


def adopt(job: Job, checkpoint: Checkpoint) -> None:
    """Writes the record of a finished run with these weights, unless it exists; it can then be evaluated like any other
    run. Raises Busy, or UserError if the weights do not fit the benchmark's network."""
    params = parameters.params(checkpoint.variables, conv4(job.benchmark, job.protocol.training), job.benchmark.ways)
    adopt_state(job, State(params, {}), checkpoint.about())
