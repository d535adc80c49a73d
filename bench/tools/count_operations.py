"""Counts the operations of the trainings behind published numbers, from which hours are estimated without a record.

    python -m bench.tools.count_operations > bench/analysis/training_operations.csv

takes a minute or two, and needs no data: the images are noise.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.analysis.claims import Claim
from bench.analysis.claims_file import published_claims
from bench.analysis.training_operations import COLUMNS, key
from bench.data.images import ImageClass, ImageSet
from bench.protocols.benchmarks import SPLITS, Benchmark
from bench.protocols.presets import from_text
from bench.protocols.protocol import Protocol
from bench.training.batches import TrainingBatches
from bench.training.execution import EAGER
from bench.training.meta_step import MetaStep
from bench.training.progress import begin
from bench.training.workload import NamedMethod, Workload
from methods import METHODS

_CLASSES, _IMAGES = 64, 40  # classes per split and images per class, all noise: enough for an episode of every protocol


def main() -> int:
    """Writes the counts as CSV to standard output."""
    counted = {key(claim): claim for claim in reversed(countable(published_claims()))}
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((*each, operations(claim)) for each, claim in sorted(counted.items()))
    return 0


def countable(claims: Sequence[Claim]) -> list[Claim]:
    """The claims whose protocol and method are known here."""
    return [claim for claim in claims if claim.protocol and claim.method in METHODS]


def operations(claim: Claim) -> int:
    """The floating-point operations of one iteration of the training behind a claim: those of convolutions and matrix
    products, as torch counts them (`FlopCounterMode`) during training on one episode, or on one batch of images."""
    trained = METHODS[claim.method].weights_of or claim.method
    protocol = from_text(claim.protocol, claim.about)
    episodes = 1 if METHODS[trained].training_batch == "episodes" else protocol.training.meta_batch
    one = replace(protocol, training=replace(protocol.training, meta_batch=episodes, iterations=1))
    return _count(trained, claim.about, one) * protocol.training.meta_batch // episodes


def _count(method: str, benchmark: Benchmark, protocol: Protocol) -> int:
    workload = Workload(
        benchmark=benchmark,
        method=NamedMethod(method),
        protocol=protocol,
        data=_noise(benchmark),
        device=torch.device("cpu"),
        chunk=1,
        mode=EAGER,
    )
    (execution, *_), training = workload.training_executions(1), protocol.training
    built = workload.build(execution.layers, execution.precision)
    batches = TrainingBatches(built.training_batch or "episodes", training, [workload.stream("train", 0)])
    begun = begin([workload.initial_state(0)], execution, training, benchmark.measure.worst)
    step = MetaStep(execution, built, batches, begun.state, begun.optimiser, begun.loss_sum)
    with FlopCounterMode(display=False) as counter:
        step(batches.at(0))
    return counter.get_total_flops()


def _noise(benchmark: Benchmark) -> ImageSet:
    channels, height, width = benchmark.input_shape
    shape = (len(SPLITS) * _CLASSES * _IMAGES, height, width, channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    names = [(split, f"{split}{k:02}") for split in SPLITS for k in range(_CLASSES)]
    classes = [ImageClass(name, split, k * _IMAGES, _IMAGES, _IMAGES) for k, (split, name) in enumerate(names)]
    return ImageSet("noise", images, tuple(classes), digest="")


if __name__ == "__main__":
    sys.exit(main())
