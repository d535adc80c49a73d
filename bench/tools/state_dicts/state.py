"""Weights from elsewhere as the state in which a method is evaluated."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from bench.errors import UserError
from bench.runs.job import Job
from bench.tools.state_dicts.matching import shape_text
from bench.tools.state_dicts.weights import HEAD, Weights
from methods.contract import Params, State
from methods.finetune import Finetune

_MAY_LACK = re.compile(r"conv\d\.bias|norm\d\.(scale|shift)")


def state(weights: Weights, job: Job) -> State:
    """The state to evaluate: the method's initial state, with every tensor that the file has. Fine-tuning draws a new
    head for every episode, so it does not use the file's. Running statistics that the file lacks are NaN: no evaluation
    uses them. Raises UserError if a parameter is missing."""
    like = job.workload.initial_state(job.seed)
    params = dict(like.params)
    for name, value in like.params.items():
        if name.startswith("head.") and issubclass(job.workload.kind, Finetune):
            continue
        found = weights.tensors.get(name)
        if found is None and _MAY_LACK.fullmatch(name):
            found = torch.full_like(value, float(name.endswith(".scale")))  # the layer has none
        if found is None or found.shape != value.shape:
            raise UserError(f"{weights.path}: {_lacking(weights, name, value, job.method)}")
        params[name] = found
    return State(params, _carry(weights, like.carried))


def _lacking(weights: Weights, name: str, value: Tensor, method: str) -> str:
    if name in HEAD and not weights.has_head:
        return f"no linear head in it, which {method} needs: --method protonet, nearest or finetune need none"
    shape = shape_text(tuple(value.shape))
    if name in weights.tensors:
        theirs = tuple(weights.tensors[name].shape)
        ways = f": use a benchmark of {theirs[0]} ways, or --method protonet, nearest or finetune, which need no head"
        return f"{name} has shape {shape_text(theirs)}, but {method} needs {shape}{ways if name in HEAD else ''}"
    return f"{method} needs {name} ({shape}), which is missing"


def _carry(weights: Weights, carried: Params) -> Params:
    known = weights.statistics
    return {
        name: value if name.startswith("episode.") else known.get(name, torch.full_like(value, torch.nan))
        for name, value in carried.items()
    }
