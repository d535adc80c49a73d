"""Ravi and Larochelle, "Optimization as a model for few-shot learning" (ICLR 2017), the fine-tune baseline: `ravi`."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.citation import Citation, Citations
from bench.protocols.papers import finn_sources
from bench.protocols.protocol import Protocol


def ravi(benchmark: Benchmark, base: Protocol) -> Protocol:
    """Ravi and Larochelle (ICLR 2017), the fine-tune baseline: 30,000 steps of 64 images, running statistics.

    `base`: the protocol `paper`. One classifier serves every number of shots, so its training does not depend on that
    number. The authors chose their learning rates on 100 validation episodes, from 0.5 down to 1e-5, with a decay that
    is not reproduced here."""
    training = replace(
        base.training,
        iterations=30_000,
        meta_batch=1,
        image_batch=64,
        clip=None,
        shots=None,
        filters=base.training.filters if benchmark.name == "tiny" else 64,
        initialisation="pytorch",
        batch_norm_scale=True,
        batch_norm_gamma="uniform",
        batch_norm_epsilon=1e-3,
        validations=0,
    )
    return Protocol(
        training,
        replace(
            base.evaluation,
            queries=15,
            batch_statistics="running",
            finetune_steps=15,
            finetune_episodes=100,
            finetune_statistics="moved",
        ),
    )


def sources(benchmark: Benchmark) -> Citations:
    """The source of every setting of `ravi`."""
    code, network = "Ravi and Larochelle 2017, code", "its matching-net-classifier.lua"
    changed = {
        "iterations": f"{code}: of an ordinary classifier",
        "image_batch": code,
        "clip": f"{code}: none",
        **dict.fromkeys(("shots", "meta_batch"), "does not concern an image classifier"),
        "validations": f"{code}: none in training",
        **dict.fromkeys(("meta_lr", "meta_optimiser"), f"{code}: Adam"),
        "filters": f"{code}: 64 for the baselines ({network}), 32 for its LSTM's learner alone",
        "initialisation": f"{code}: Torch's (nn, SpatialConvolution.lua, Linear.lua): uniform within 1 / sqrt(fan in)",
        "batch_norm_scale": f"{code}: Torch's batch norm, with gamma",
        "batch_norm_gamma": f"{code}: Torch's (nn, BatchNormalization.lua): from U(0, 1)",
        "batch_norm_epsilon": f"{code}: 1e-3 ({network})",
        "evaluation.queries": "Ravi and Larochelle 2017: 15",
        "evaluation.batch_statistics": f"{code}: running statistics",
        "finetune_statistics": f"{code}: network:training() in fine-tuning, network:evaluate() at test",
        "finetune_steps": f"{code}: 15 updates",
        "finetune_episodes": f"{code}: 100",
    }
    found = finn_sources.sources(benchmark) | {name: Citation(where) for name, where in changed.items()}
    return found | {"filters": finn_sources.SHRUNK} if benchmark.name == "tiny" else found
