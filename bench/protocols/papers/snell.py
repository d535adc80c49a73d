"""Prototypical networks: Snell, Swersky and Zemel (NIPS 2017, arXiv 1703.05175v2).

The protocol follows the paper where it gives a value, and the authors' code (jakesnell/prototypical-networks, commit
c9bb4d2) elsewhere. The code covers Omniglot only. For miniImageNet's training the paper gives ways, queries and
learning rate; everything else is taken from Omniglot.
"""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.citation import Citation, Citations
from bench.protocols.papers.finn_sources import PROJECTS_OWN, SHRUNK
from bench.protocols.protocol import CLASSES, Evaluation, Protocol, Training


def snell(benchmark: Benchmark) -> Protocol:
    """Snell et al. 2017, prototypical networks: 60 ways in training, running statistics at test."""
    if benchmark.input_shape[0] == 3:
        training = replace(_training(), ways=30 if benchmark.shots == 1 else 20, queries=15)
        return Protocol(training, Evaluation(episodes=600, queries=15, batch_statistics="running"))
    training = replace(_training(), ways=60, queries=5, rotations=CLASSES)
    if benchmark.source == "omniglot":
        training = replace(training, split="vinyals", classes="train+valid")
    evaluation = Evaluation(episodes=1000, queries=15, batch_statistics="running", rotations=CLASSES)
    if benchmark.name == "tiny":
        return Protocol(replace(training, filters=8, iterations=20, ways=10), replace(evaluation, episodes=20))
    return Protocol(training, evaluation)


def _training() -> Training:
    return Training(
        iterations=20_000,
        meta_batch=1,
        meta_lr_halved_every=2000,
        filters=64,
        initialisation="pytorch",
        batch_norm_scale=True,
        batch_norm_gamma="uniform",
        batch_norm_epsilon=1e-5,
        batch_statistics="episode",
        validations=0,
    )


_CODE, _PAPER = "authors' code", "paper"
_TORCH = "of PyTorch 0.4, which it names"
_NONE_OF_IT = Citation("does not concern prototypical networks, which adapt nothing")


def sources(benchmark: Benchmark) -> Citations:
    """The source of every setting of `snell`."""
    found = PROJECTS_OWN | _everywhere() | (_mini_imagenet() if benchmark.input_shape[0] == 3 else _omniglot())
    if benchmark.source not in ("mini-imagenet", "omniglot"):
        like = "miniImageNet" if benchmark.input_shape[0] == 3 else "Omniglot"
        found = {name: replace(source, where=f"as on {like}: {source.where}") for name, source in found.items()}
        found["split"] = found["classes"] = Citation("Omniglot's alone")
    shrunk = ("filters", "iterations", "ways", "episodes") if benchmark.name == "tiny" else ()
    return found | dict.fromkeys(shrunk, SHRUNK)


def _everywhere() -> Citations:
    said = {
        "iterations": f"{_CODE}, train.py: until the validation loss has not fallen for 20,000 episodes, then anew, "
        "with the classes of validation, for as many and 20,000 more; after 20,000 the rate is 1e-6 and moves nothing",
        "meta_batch": f"{_CODE}, engine.py: a step an episode",
        "meta_update": f"{_CODE}, engine.py: a step an episode",
        **dict.fromkeys(("meta_lr", "meta_optimiser"), f"{_PAPER}, section 3.1: Adam, 1e-3"),
        **dict.fromkeys(("meta_lr_final", "meta_lr_path", "epoch"), f"{_PAPER}, section 3.1: halved alone"),
        "meta_lr_halved_every": f"{_PAPER}, section 3.1: 2000 episodes",
        "clip": f"{_CODE}, engine.py: none",
        "shots": f"{_PAPER}, section 3: as at test",
        "filters": f"{_PAPER}, section 3: 64",
        "downsampling": f"{_PAPER}, section 3: max-pool 2",
        "head_input": f"{_CODE}, few_shot.py: in a row; there is no head",
        "initialisation": f"{_CODE}, few_shot.py: the default {_TORCH}",
        "batch_norm_scale": f"{_CODE}, few_shot.py: nn.BatchNorm2d's default",
        "batch_norm_gamma": f"{_CODE}, few_shot.py: the default {_TORCH}: from U(0, 1)",
        "batch_norm_epsilon": f"{_CODE}, few_shot.py: nn.BatchNorm2d's default",
        "batch_statistics": f"{_CODE}, few_shot.py: support and query go through the network as one batch",
        "evaluation.batch_statistics": f"{_CODE}, model.py (evaluate): model.eval()",
        "validations": f"{_CODE}, train.py: for stopping alone",
        "weights": f"{_CODE}, train.py (trainval): the last",
    }
    adapting = (
        *("inner_lr", "inner_steps", "evaluation.inner_steps", "batch_norm_adapted", "image_batch", "scored_steps"),
        *("inner_optimiser", "inner_beta1", "inner_batch", "evaluation.inner_batch", "inner_loss"),
    )
    fine_tuning = ("adapt", "finetune_steps", "finetune_head_steps", "finetune_lrs", "finetune_episodes")
    unused = dict.fromkeys((*adapting, *fine_tuning), _NONE_OF_IT)
    return {name: Citation(where) for name, where in said.items()} | unused


def _omniglot() -> Citations:
    said = {
        "ways": f"{_PAPER}, section 3.1: 60",
        "queries": f"{_PAPER}, section 3.1: 5",
        "resize": f"{_CODE}, omniglot.py: Pillow's resize on 1-bit files, for which it uses NEAREST",
        "split": f"{_CODE}, run_train.py: that of Vinyals et al.; the paper, section 3.1: 1200 characters",
        "ones": f"{_CODE}, omniglot.py: 1 - value",
        "rotations": f"{_PAPER}, section 3.1: turned copies are classes",
        "evaluation.rotations": f"{_PAPER}, section 3.1: at test too",
        "classes": f"{_CODE}, trainval.py: the training that is tested",
        "episodes": f"{_PAPER}, section 3.1: 1000",
        "evaluation.queries": f"{_CODE}, run_train.py: 15",
    }
    return {name: Citation(where) for name, where in said.items()}


def _mini_imagenet() -> Citations:
    elsewhere = dict.fromkeys(("resize", "split", "ones"), Citation("does not concern these images"))
    said = {
        "ways": f"{_PAPER}, section 3.2: 30 for 1 shot, 20 for 5",
        "queries": f"{_PAPER}, section 3.2: 15",
        "rotations": f"{_PAPER}, section 3.2: none",
        "evaluation.rotations": f"{_PAPER}, section 3.2: none",
        "classes": f"{_PAPER}, section 3.2: the 64 classes of training",
        "episodes": f"{_PAPER}, section 3.2: 600",
        "evaluation.queries": f"{_PAPER}, section 3.2: 15, as in training; its interval is that of so many",
    }
    return elsewhere | {name: Citation(where) for name, where in said.items()}
