"""Baseline and Baseline++ of "A closer look at few-shot classification": Chen, Liu, Kira, Wang and Huang (ICLR 2019).

The protocol follows the authors' code (wyharveychen/CloserLookFewShot, commit e03aca8), for Omniglot only: that code
augments miniImageNet in training (crops, jitter, flips), and no setting here can express that.
"""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.citation import Citation, Citations
from bench.protocols.papers.finn_sources import PROJECTS_OWN, SHRUNK
from bench.protocols.protocol import CLASSES, Evaluation, Protocol, Training

_EPOCHS, _IMAGES, _BATCH = 5, 4112 * 20, 16
_PASSES, _SUPPORT_BATCH = 100, 4  # for the head in a test episode


def chen(benchmark: Benchmark) -> Protocol:
    """Chen et al. 2019, Baseline (`finetune`) and Baseline++: a classifier of five epochs, new heads at test."""
    training = Training(
        iterations=_EPOCHS * _IMAGES // _BATCH,
        meta_batch=1,
        queries=1,  # never drawn in training on images
        image_batch=_BATCH,
        image_order="passes",
        filters=64,
        initialisation="he",
        batch_norm_scale=True,
        batch_norm_epsilon=1e-5,
        resize="bilinear-crop",
        inputs="inverted-imagenet",
        split="vinyals",
        rotations=CLASSES,
        validations=0,
    )
    evaluation = Evaluation(
        queries=15,
        batch_statistics="running",
        rotations=CLASSES,
        adapt="head",
        finetune_steps=_PASSES * -(-benchmark.ways * benchmark.shots // _SUPPORT_BATCH),
        finetune_lrs=(0.01,),
        finetune_batch=_SUPPORT_BATCH,
        finetune_momentum=0.9,
        finetune_dampening=0.9,
        finetune_weight_decay=0.001,
    )
    if benchmark.name == "tiny":
        return Protocol(replace(training, filters=8, iterations=20), replace(evaluation, episodes=20))
    return Protocol(training, evaluation)


def sources(benchmark: Benchmark) -> Citations:
    """The source of every setting of `chen`."""
    shrunk = ("filters", "iterations", "episodes") if benchmark.name == "tiny" else ()
    found = {name: Citation(f"authors' code, {where}") for name, where in (_of_training() | _of_test()).items()}
    apart = ("inner_lr", "inner_steps", "evaluation.inner_steps", "ways", "shots", "queries")
    elsewhere = dict.fromkeys((*apart, "meta_batch", "meta_update"), Citation("does not concern an image classifier"))
    return PROJECTS_OWN | found | elsewhere | dict.fromkeys(shrunk, SHRUNK)


def _of_training() -> dict[str, str]:
    network, images = "backbone.py (ConvNetS, ConvBlock)", "data/datamgr.py"
    return {
        "iterations": f"train.py: 5 epochs of {_IMAGES:,} images, {_BATCH} a step",
        "image_batch": f"train.py: {_BATCH}",
        "image_order": f"{images}: shuffled for each epoch",
        "meta_lr": "train.py: Adam's default",
        "meta_lr_halved_every": "train.py: the rate stays as it is",
        "meta_optimiser": "train.py: Adam",
        **dict.fromkeys(("meta_lr_final", "meta_lr_path", "epoch"), "train.py: the rate stays"),
        "clip": "methods/baselinetrain.py: none",
        "filters": f"{network}: 64",
        "downsampling": f"{network}: max-pool 2",
        "head_input": f"{network}: in a row, 64 numbers",
        "initialisation": "backbone.py (init_layer); the heads have PyTorch's default",
        "batch_norm_scale": f"{network}: nn.BatchNorm2d's default",
        "batch_norm_gamma": "backbone.py (init_layer): ones",
        "batch_norm_adapted": "methods/baselinefinetune.py: the head alone is trained at test",
        "batch_norm_epsilon": f"{network}: nn.BatchNorm2d's default",
        "batch_statistics": f"{network}: those of the batch",
        "resize": f"{images}: Scale to 32 and CenterCrop",
        "inputs": f"{images}: paper is 1, and normalised as ImageNet's first channel",
        "ones": f"{images}: paper; `inputs` turns ours round",
        "split": "filelists/omniglot: that of Vinyals et al.",
        "classes": "train.py: base.json, those of training",
        "rotations": "filelists/omniglot/rot_omniglot.py: turned copies are classes",
        "validations": "methods/baselinetrain.py (test_loop): none",
        "weights": "save_features.py: the last",
    }


def _of_test() -> dict[str, str]:
    head = "methods/baselinefinetune.py"
    return {
        "episodes": "test.py: 600",
        "evaluation.queries": "test.py: 15",
        "evaluation.batch_statistics": "save_features.py: model.eval()",
        "evaluation.rotations": "filelists/omniglot: at test too",
        "adapt": f"{head}: a new head on features that stay as they are",
        "finetune_steps": f"{head}: {_PASSES} epochs",
        "finetune_head_steps": f"{head}: as many",
        "finetune_lrs": f"{head}: 0.01",
        "finetune_episodes": f"{head}: nothing is chosen",
        "finetune_batch": f"{head}: {_SUPPORT_BATCH}",
        "finetune_momentum": f"{head}: 0.9",
        "finetune_dampening": f"{head}: 0.9",
        "finetune_weight_decay": f"{head}: 0.001",
        "finetune_statistics": "save_features.py: model.eval()",
        "cosine_scale": "backbone.py (distLinear): 2 for up to 200 outputs, else 10",
    }
