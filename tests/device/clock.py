"""Measures seconds on a GPU."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch


def seconds_of(work: Callable[[], object], turns: int = 5, calls: int = 20) -> float:
    """The median seconds per call over `turns` replays of a CUDA graph with this many calls: the GPU's time, without
    the host's."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(calls):
            work()
    graph.replay()
    return statistics.median(_seconds(graph) for _ in range(turns)) / calls


def _seconds(graph: torch.cuda.CUDAGraph) -> float:
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    began.record()
    graph.replay()
    ended.record()
    torch.cuda.synchronize()
    return began.elapsed_time(ended) / 1e3
