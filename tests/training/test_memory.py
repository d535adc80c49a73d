"""Peak memory grows neither with the meta-batch nor, beyond the bound for kept steps, with the number of inner
steps."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ADDED = """
import re
from pathlib import Path

def peak():  # not getrusage, whose peak a process takes over from its parent
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

def added(run, *arguments):
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak()
    run(*arguments)
    return peak() - before
"""


STEPS = """
import sys, torch
import numpy as np
from dataclasses import replace
from bench import devices
from bench.data.images import ImageClass, ImageSet
from bench.episodes.images import ImageEpisodes
from bench.networks.conv4 import conv4
from bench.protocols import benchmarks, presets
from bench.training import execution
from bench.training.batches import TrainingBatches
from bench.training.execution import Execution
from bench.training.meta_step import MetaStep
from bench.training.objectives import cross_entropy
from methods import METHODS
from methods.contract import Setup
from torch.utils._pytree import tree_map

devices.make_repeatable(1)
benchmark, device = benchmarks.get("miniimagenet-5w5s"), torch.device("cpu")
classes = tuple(ImageClass(f"c{k}", "train", 12 * k, 12, 12) for k in range(8))
pixels = np.random.default_rng(0).integers(0, 256, (96, 84, 84, 3), dtype=np.uint8)
images = ImageSet("noise", pixels, classes, "")

def one_step(layers, meta_batch, steps, bound):
    execution._KEPT_BYTES["cpu"] = bound
    changed = {"inner_steps": steps, "meta_batch": meta_batch, "filters": 8, "queries": 5}
    training = replace(presets.paper(benchmark).training, **changed)
    method = METHODS["maml"](Setup(conv4(benchmark, training, layers), cross_entropy, 5, 64, training, None))
    state = tree_map(lambda tensor: tensor[None].clone(), method.init(torch.Generator().manual_seed(0)))
    source = ImageEpisodes(benchmark, images, "train", 0, benchmark.episode(training.queries))
    feed = TrainingBatches("episodes", training, [source])
    optimiser = torch.optim.Adam(state.params.values())
    return MetaStep(Execution(device, 1, layers=layers), method, feed, state, optimiser, torch.zeros(1)), feed.at(0)

layers, *cases = sys.argv[1:]
added(*one_step(layers, 1, 2, 0))  # what is made once
for case in cases:
    print(added(*one_step(layers, *map(int, case.split(",")))))
"""


EVALUATIONS = """
import sys, torch
from dataclasses import replace
from bench import devices
from bench.data import store
from bench.episodes import streams
from bench.protocols import benchmarks, presets
from bench.tools.check.toy_data import workload
from bench.training import evaluation as scoring, initial
from bench.training.execution import Execution
from methods import METHODS

devices.make_repeatable(1)
benchmark, device = benchmarks.get("omniglot-5w1s"), torch.device("cpu")
protocol = presets.paper(benchmark)
source = streams.stream(benchmark, store.load("omniglot", None), "test", benchmark.episode(1)).on(device)

def evaluate(steps):
    evaluation = replace(protocol.evaluation, inner_steps=steps, finetune_steps=steps)
    method = workload(METHODS[sys.argv[1]], benchmark, replace(protocol, evaluation=evaluation)).build()
    state, setting = initial.initial_state(method, 0), method.candidates()[0]
    scoring.scores(Execution(device, 20), method, state, source, 20, setting)

evaluate(3)  # what is made once
for steps in sys.argv[2:]:
    print(added(evaluate, int(steps)))
"""


def peaks(script: str, *arguments: object) -> list[int]:
    """The KiB that each of these meta-steps, or evaluations, adds to a process.

    Large blocks are mapped one by one, because otherwise glibc keeps freed memory, and its fragmentation would be
    measured."""
    command = [sys.executable, "-c", ADDED + script, *map(str, arguments)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak as Linux gives it")
@pytest.mark.parametrize("layers", ["pooled", "stacked"])
def test_the_peak_is_flat(layers: str) -> None:
    """When inner steps may not keep anything for the backward pass (`stacked` with a bound of 0), or never do
    (`pooled`)."""
    base, of_eight, of_many_steps = peaks(STEPS, layers, "1,2,0", "8,2,0", "1,20,0")
    assert base > 20_000  # the activations of a step, not just noise
    assert of_eight < 1.05 * base
    assert of_many_steps < 1.05 * base


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak as Linux gives it")
def test_what_inner_steps_keep_is_bounded() -> None:
    """While steps fit into the bound they are kept, and the peak grows; beyond it, it grows no further."""
    bound = 96 * 2**20
    base, grown, most = peaks(STEPS, "stacked", "1,2,0", f"1,4,{bound}", f"1,20,{bound}")
    assert grown > 1.2 * base
    assert most < base + 1.05 * bound / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak as Linux gives it")
@pytest.mark.parametrize("method", ["maml", "finetune"])
def test_an_evaluation_keeps_no_step_s_parameters(method: str) -> None:
    """20 episodes x 111,000 parameters are 9 MB per step: 15 more steps would be 130 MB."""
    of_few, of_many = peaks(EVALUATIONS, method, 3, 18)
    assert of_many < of_few + 20_000
