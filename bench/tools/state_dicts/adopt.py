"""Turns weights from other code into a run of a method."""

from __future__ import annotations

from dataclasses import replace

from bench.data import benchmark_data, store
from bench.errors import UserError
from bench.protocols import presets, protocol, settings
from bench.protocols.benchmarks import FUNCTIONS
from bench.runs import used_settings
from bench.runs.job import Job
from bench.runs.planning import job_of, methods_named
from bench.runs.request import Request
from bench.tools.state_dicts import inferred_settings
from bench.tools.state_dicts.weights import Weights


def state_dict_job(weights: Weights, request: Request) -> tuple[Job, frozenset[str]]:
    """PyTorch weights from other code as a run of a method (default maml), with the settings that follow from their
    layout and from the user, and the evaluation of `request.protocol`; also returns the names of the settings that the
    user gave. Raises UserError if the weights do not fit the benchmark's network."""
    benchmark = store.benchmark(request.benchmarks[0], request.data_dir)
    if benchmark.form == FUNCTIONS:
        raise UserError(f"--benchmark {benchmark.name}: the weights of a convolutional network need images")
    methods = methods_named(request.methods or ["maml"])
    if len(methods) > 1:
        raise UserError("--method: give one method: weights are evaluated by one at a time")
    told, rest = inferred_settings.training_settings(request.settings)
    evaluation = presets.preset(request.protocol or "paper", benchmark, methods[0].settings).evaluation
    evaluation = settings.with_evaluation_settings(evaluation, rest)
    used_settings.check_evaluation(rest, methods[0])
    used_settings.check([text for text in request.settings if text not in rest], methods)
    base = replace(presets.paper(benchmark).training, iterations=1, origin=weights.origin)
    training = inferred_settings.training(weights.path, weights.tensors, weights.matching.layout, benchmark, base, told)
    data = benchmark_data.load(benchmark, training, request.data_dir)
    asked = protocol.Protocol(training, evaluation)
    job = job_of(request, benchmark=benchmark, method=methods[0], seed=0, asked=asked, preset="paper", data=data)
    job.check()
    return job, frozenset(told)
