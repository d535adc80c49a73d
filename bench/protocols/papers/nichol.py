"""Nichol, Achiam and Schulman, "On first-order meta-learning algorithms" (2018, arXiv 1803.02999v3), Reptile: `nichol`.

The protocol follows the authors' code (openai/supervised-reptile, commit 8f2b71c), whose README.md has the commands
"used for the paper". One training serves 1 and 5 shots, and both ways of testing: without transduction (`nichol`) each
query forms a batch with the support set; with transduction (`nichol-transduction`) all queries form one batch.
"""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.citation import Citation, Citations
from bench.protocols.papers import finn_sources
from bench.protocols.protocol import CLASSES, UPRIGHT, Evaluation, Protocol, Training


def nichol(benchmark: Benchmark) -> Protocol:
    """Nichol et al. 2018, Reptile without transduction: each query with the whole support set."""
    coloured, five_way, tiny = benchmark.input_shape[0] == 3, benchmark.ways == 5, benchmark.name == "tiny"
    training = Training(
        iterations=100_000 if five_way else 200_000,
        meta_batch=5,
        meta_optimiser="sgd",
        meta_lr=1.0,
        meta_lr_final=0.0,
        shots=15 if coloured else 10,
        queries=0,
        inner_optimiser="adam",
        inner_beta1=0.0,
        inner_batch=10 if five_way else 20,
        inner_lr=0.001 if five_way else 0.0005,
        inner_steps=8 if coloured else 5 if five_way else 10,
        filters=32 if coloured else 64,
        downsampling="max-pool-same" if coloured else "stride",
        batch_norm_scale=True,
        batch_norm_adapted=True,
        validations=0,
    )
    batch = 10 if not five_way else 15 if coloured and benchmark.shots > 1 else 5
    evaluation = Evaluation(
        episodes=10_000,
        queries=1,
        inner_steps=50,
        inner_batch=batch,
        inner_loss="sum",
        scored_steps="last",
        batch_statistics="support+query",
    )
    if benchmark.source == "omniglot":
        training = replace(training, classes="train+valid", ones="paper", rotations=CLASSES)
        evaluation = replace(evaluation, rotations=UPRIGHT)
    if tiny:
        training, evaluation = replace(training, filters=8, iterations=20), replace(evaluation, episodes=20)
    return Protocol(training, evaluation)


def nichol_transduction(benchmark: Benchmark) -> Protocol:
    """Nichol et al. 2018, Reptile with transduction: trained as `nichol`, with all queries in one batch."""
    without = nichol(benchmark)
    return replace(without, evaluation=replace(without.evaluation, batch_statistics="batch"))


_README = "authors' README.md"
_MODELS = "authors' models.py"
_REPTILE = "authors' reptile.py"
_OMNIGLOT = "authors' omniglot.py"


def sources(benchmark: Benchmark) -> Citations:
    """Setting, by its `--set` name -> source, for every setting of both protocols."""
    coloured = benchmark.input_shape[0] == 3
    found = {name: Citation(where) for name, where in (_of_training() | _of_evaluation()).items()}
    base = finn_sources.sources(benchmark)
    found = base | found | (_of_mini_imagenet() if coloured else {})
    if benchmark.source == "omniglot":
        found |= _of_omniglot()
    if benchmark.name == "tiny":
        found |= dict.fromkeys(("filters", "iterations", "episodes"), finn_sources.SHRUNK)
    return found


def _of_training() -> dict[str, str]:
    return {
        "iterations": f"{_README}: --meta-iters",
        "meta_batch": f"{_README}: --meta-batch",
        "meta_update": f"{_REPTILE} (train_step): the mean over the meta-batch",
        "meta_optimiser": f"{_REPTILE} (train_step): an interpolation, phi + epsilon (mean phi~ - phi)",
        "meta_lr": f"{_README}: --meta-step, epsilon",
        "meta_lr_halved_every": "authors' train.py: epsilon falls in a line",
        "meta_lr_final": f"{_README}: --meta-step-final",
        "meta_lr_path": "authors' train.py: in a line",
        "epoch": "authors' train.py: with every iteration",
        "clip": "authors' train.py: none",
        "ways": f"{_README}: --classes, in training and at test",
        "shots": f"{_README}: --train-shots",
        "queries": f"{_REPTILE} (train_step): all images are trained on",
        "classes": "the benchmark's",
        "inner_optimiser": f"{_MODELS}: one AdamOptimizer for all episodes; {_REPTILE} puts back the variables alone",
        "inner_beta1": f"{_MODELS}: DEFAULT_OPTIMIZER",
        "inner_batch": f"{_README}: --inner-batch; {_REPTILE} (_mini_batches): without replacement, running on",
        "inner_lr": f"{_README}: --learning-rate, of Adam, on which the size of the loss has no effect",
        "inner_steps": f"{_README}: --inner-iters",
        "filters": _MODELS,
        "downsampling": f"{_MODELS}: strides of 2, padded as SAME",
        "head_input": f"{_MODELS}: all features, in a row",
        "initialisation": f"{_MODELS}: the default of TensorFlow's layers, Glorot uniform, zero biases",
        "batch_norm_scale": f"{_MODELS}: batch_normalization's default",
        "batch_norm_gamma": f"{_MODELS}: batch_normalization's default",
        "batch_norm_adapted": f"{_MODELS}: the optimiser moves all variables",
        "batch_norm_epsilon": f"{_MODELS}: batch_normalization's default",
        "batch_statistics": f"{_MODELS}: training=True, those of the minibatch in hand",
        "validations": "authors' train.py: nothing is chosen on validation",
    }


def _of_evaluation() -> dict[str, str]:
    return {
        "episodes": "authors' args.py: --eval-samples",
        "evaluation.queries": f"{_REPTILE} (_split_train_test): one a class",
        "evaluation.inner_steps": f"{_README}: --eval-iters",
        "evaluation.inner_batch": f"{_README}: --eval-batch",
        "evaluation.batch_statistics": f"{_REPTILE} (_test_predictions): --transductive or not",
        "inner_loss": f"{_MODELS}: a vector of losses, whose gradient TensorFlow sums",
        "scored_steps": f"{_REPTILE} (evaluate): after the last",
        "weights": "authors' train.py: the last",
    }


def _of_mini_imagenet() -> Citations:
    return {"downsampling": Citation(f"{_MODELS}: max_pooling2d, padded as SAME: 84, 42, 21, 11, 6")}


def _of_omniglot() -> Citations:
    return {
        "classes": Citation(f"{_OMNIGLOT} (split_dataset): 1200 characters, and none for validation"),
        "split": Citation(f"{_OMNIGLOT} (split_dataset): at random; which is not known"),
        "ones": Citation(f"{_OMNIGLOT} (_read_image): as they are read, paper is 1"),
        "rotations": Citation(f"{_OMNIGLOT} (augment_dataset): each turned copy is a class"),
        "evaluation.rotations": Citation("authors' run_omniglot.py: the test's characters are not turned"),
        "resize": Citation(f"{_OMNIGLOT} (_read_image): Pillow's resize of 1-bit files, for which it uses NEAREST"),
    }
