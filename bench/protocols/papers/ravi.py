"""Ravi and Larochelle, "Optimization as a model for few-shot learning" (ICLR 2017), the fine-tune baseline: `ravi`."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.papers import finn_sources
from bench.protocols.papers.finn import paper
from bench.protocols.protocol import Protocol
from bench.protocols.source import Source, Sources


def ravi(benchmark: Benchmark) -> Protocol:
    """Ravi and Larochelle (ICLR 2017), the fine-tune baseline: 30,000 steps of 64 images, running statistics.

    Their rates were chosen on 100 validation episodes from 0.5 down to 1e-5, with a decay that is not followed here."""
    base = paper(benchmark)
    training = replace(
        base.training,
        iterations=30_000,
        image_batch=64,
        clip=None,
        shots=None,
        batch_norm_scale=True,
    )
    return Protocol(
        training,
        replace(base.evaluation, queries=15, batch_statistics="running", finetune_steps=15, finetune_episodes=100),
    )


def sources(benchmark: Benchmark) -> Sources:
    """Of every setting of `ravi`."""
    code = "Ravi and Larochelle 2017, code"
    changed = {
        "iterations": f"{code}: of an ordinary classifier",
        "image_batch": code,
        "clip": f"{code}: none",
        "shots": "does not concern an image classifier",
        "meta_lr": f"{code}: Adam",
        "batch_norm_scale": f"{code}: Torch's batch norm, with gamma",
        "batch_norm_gamma": "this project; Torch's batch norm draws gamma from U(0, 1) (nn, BatchNormalization.lua)",
        "evaluation.queries": "Ravi and Larochelle 2017: 15",
        "evaluation.batch_statistics": f"{code}: running statistics",
        "finetune_steps": f"{code}: 15 updates",
        "finetune_episodes": f"{code}: 100",
    }
    return finn_sources.sources(benchmark) | {name: Source(where) for name, where in changed.items()}
