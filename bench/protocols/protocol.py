"""A protocol: every setting that can affect the result, in two frozen parts, each hashed by its values.

`Training` identifies a run (with benchmark, method, seed and data); `Evaluation` identifies one of the run's
evaluations. Settings that change only how a step is executed (device, chunk, threads) are not included."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import Any

from bench.protocols.benchmarks import Benchmark, EpisodeShape

NO_SETTINGS = ("origin", "code", "benchmark")  # fields that distinguish trainings or evaluations, but cannot be set
OF_ELSEWHERE = ("blocks",)  # differs only in networks trained elsewhere


def _setting(
    default: Any,
    help: str,
    *,
    choices: tuple[Any, ...] = (),
    least: float | None = None,
    most: int = 100_000,
    above: float | None = None,
    below: float = float("inf"),
    later: bool = False,
) -> Any:
    """Declares a field. `most`: for integers, far beyond any use, so that a typing error is refused before it fills the
    memory. `later`: the field was added after the first records. Its default is what those did, and is left out of the
    hash, so that their keys stay valid."""
    bounds = {"least": least, "most": most, "above": above, "below": below}
    return field(default=default, metadata={"help": help, "choices": choices, **bounds, "later": later})


BY_CLASS, MEANING = 1, 2  # meaning 1: the queries of an image episode were ordered by class
INNER_LOOP = ("inner_lr", "inner_steps")
DESCENT = ("finetune_batch", "finetune_momentum", "finetune_dampening", "finetune_weight_decay", "finetune_statistics")
FINE_TUNING = ("adapt", "finetune_steps", "finetune_head_steps", "finetune_lrs", "finetune_episodes", *DESCENT)
MINIBATCHES = ("inner_optimiser", "inner_beta1", "inner_batch", "inner_loss", "scored_steps")
OF_SOME_METHODS = (*INNER_LOOP, *FINE_TUNING, *MINIBATCHES, "multi_step_epochs", "cosine_scale")  # methods say which
PRECISIONS = ("fp32", "tf32", "bf16")
ROTATIONS = TURN, CLASSES, UPRIGHT = "turn", "classes", "upright"
_ROTATIONS = "a random turn per class of an episode, turned copies as classes, no turns, or none: the benchmark's"
_MULTI_STEP = "epochs in which the loss after every inner step counts, or none: a tenth of the training"
_INNER_BATCH = "images per inner step, drawn without replacement, pass after pass, or none: the whole support set"
DOWNSAMPLING = ("max-pool", "max-pool-same", "stride")  # same: odd sizes are padded before pooling
BLOCKS = ("paper", "padded", "unpadded")  # described in `bench.networks.geometry`
INPUTS = ("unit", "inverted", "bytes", "imagenet", "inverted-imagenet", "metaoptnet")  # see `bench.networks.inputs`
WITH_VALIDATION = "train+valid"
# The statistics that normalise the queries: their own, the support set's, those of the support set with each single
# query, those of support and queries together, or running ones.
BATCH, SUPPORT, ONE_QUERY, EPISODE, RUNNING = STATISTICS = ("batch", "support", "support+query", "episode", "running")
_STATISTICS = "that normalise the queries; episode: support and queries together"
_HEAD_STEPS = "the most steps of the head alone, or none: as many as finetune_steps"
_FINETUNE_BATCH = "support images of a step, pass after pass, or none: all of them"
_PRECISION = "precision of the products of convolutions and head; everything else is fp32"


@dataclass(frozen=True)
class Training:
    """Every setting that affects the trained weights. The defaults are not a protocol; see `presets`."""

    iterations: int = _setting(60_000, "meta-steps", least=1, most=1_000_000_000)
    meta_batch: int = _setting(4, "episodes per meta-step", least=1, most=10_000)
    meta_update: str = _setting("meta-batch", "one optimiser step per ...", choices=("meta-batch", "episode"))
    meta_optimiser: str = _setting("adam", "of the outer step", choices=("adam", "sgd"), later=True)
    meta_lr: float = _setting(1e-3, "learning rate of the outer step", above=0)
    meta_lr_halved_every: int | None = _setting(
        None, "iterations after which that rate is halved, again and again, or none", least=1, later=True
    )
    meta_lr_final: float | None = _setting(None, "that rate at the end, or none: it stays", least=0, later=True)
    meta_lr_path: str = _setting("linear", "the shape of that schedule", choices=("linear", "cosine"), later=True)
    epoch: int = _setting(1, "iterations for which schedules stay constant", least=1, later=True)
    multi_step_epochs: int | None = _setting(None, _MULTI_STEP, least=1, later=True)
    clip: float | None = _setting(None, "element-wise bound on the gradient of the mean loss, or none", above=0)
    ways: int | None = _setting(None, "classes of a training episode, or none: the benchmark's", least=2, later=True)
    shots: int | None = _setting(
        None, "support images per class of a training episode, or none: the benchmark's", least=1, later=True
    )
    queries: int = _setting(15, "query images per class; 0 if a method learns from minibatches", least=0)
    classes: str = _setting("train", "classes to train on", choices=("train", WITH_VALIDATION), later=True)
    inner_optimiser: str = _setting("sgd", "adam: moments outlive episodes", choices=("sgd", "adam"), later=True)
    inner_beta1: float = _setting(0.0, "of that Adam", least=0, below=1, later=True)
    inner_batch: int | None = _setting(None, _INNER_BATCH, least=1, later=True)
    inner_lr: float = _setting(0.05, "multiplies the gradient of the mean support loss", above=0)
    inner_steps: int = _setting(5, "inner steps in training", least=1)
    filters: int = _setting(32, "filters of each convolution, or units of each hidden layer", least=1, most=1_000_000)
    downsampling: str = _setting("max-pool", "after each convolution", choices=DOWNSAMPLING)
    head_input: str = _setting("flatten", "input of the linear head", choices=("flatten", "mean"))
    initialisation: str = _setting(
        "glorot", "of all layers", choices=("glorot", "glorot-normal-head", "pytorch", "he", "truncated-normal")
    )
    activation: str = _setting("relu", "after each batch norm", choices=("relu", "leaky-relu"), later=True)
    batch_norm_scale: bool = _setting(False, "batch norm has a gamma as well as a beta")
    batch_norm_gamma: str = _setting(
        "ones", "initial gamma: 1, or drawn from U(0, 1)", choices=("ones", "uniform"), later=True
    )
    batch_norm_adapted: bool = _setting(False, "the inner loop changes batch norm's parameters")
    batch_norm_epsilon: float = _setting(1e-3, "added to the variance", above=0)
    batch_statistics: str = _setting(BATCH, _STATISTICS, choices=(BATCH, SUPPORT, EPISODE))
    resize: str = _setting(
        "nearest", "of Omniglot's 105 x 105 drawings", choices=("nearest", "lanczos", "bilinear-crop")
    )
    split: str = _setting(
        "random", "of Omniglot's characters: at random, or by alphabet", choices=("random", "vinyals"), later=True
    )
    ones: str = _setting("ink", "what is 1 in Omniglot's images", choices=("ink", "paper"), later=True)
    rotations: str | None = _setting(None, _ROTATIONS, choices=ROTATIONS, later=True)
    image_batch: int | None = _setting(
        None, "images per step of an image classifier, or none: those of the episodes", least=1
    )
    image_order: str = _setting("drawn", "at random, or in passes over all", choices=("drawn", "passes"), later=True)
    validations: int = _setting(20, "number of validations in a run, or 0", least=0)
    validation_episodes: int = _setting(100, "episodes per validation", least=1)
    validation_shape: str = _setting(
        "test", "whose ways, shots, queries and rotations validation has", choices=("test", "training"), later=True
    )
    precision: str = _setting("fp32", _PRECISION, choices=PRECISIONS)
    meaning: int = _setting(MEANING, "raised when the meaning of the code changes", least=1)
    blocks: str = _setting("paper", "padding, and order within a block", choices=BLOCKS, later=True)
    inputs: str = _setting("unit", "how the network sees images in [0, 1]", choices=INPUTS, later=True)
    origin: str | None = _setting(
        None, "digest of the files with weights trained elsewhere, or none: trained here", later=True
    )
    code: str | None = _setting(None, "digest of the method's file, or none: built in", later=True)


@dataclass(frozen=True)
class Evaluation:
    """Every setting that affects the scores of given weights."""

    episodes: int = _setting(600, "test episodes", least=2, most=1_000_000)
    queries: int = _setting(15, "query images per class", least=1)
    inner_steps: int = _setting(10, "inner steps at test", least=0)
    inner_batch: int | None = _setting(None, _INNER_BATCH, least=1, later=True)
    inner_loss: str = _setting("mean", "over a test minibatch's images", choices=("mean", "sum"), later=True)
    scored_steps: str = _setting("every", "inner steps to score", choices=("every", "last"), later=True)
    batch_statistics: str = _setting(
        BATCH, f"{_STATISTICS}; support+query: the support and each query alone", choices=STATISTICS
    )
    weights: str = _setting("last", "iteration that is evaluated", choices=("last", "best"))
    adapt: str = _setting("all", "what fine-tuning changes; chosen: by validation", choices=("all", "head", "chosen"))
    finetune_steps: int = _setting(15, "the most steps of fine-tuning", least=0)
    finetune_lrs: tuple[float, ...] = _setting((0.5, 0.1, 0.02, 0.004), "rates that fine-tuning chooses from")
    finetune_head_steps: int | None = _setting(None, _HEAD_STEPS, least=0, later=True)
    finetune_episodes: int = _setting(50, "validation episodes for the choice", least=1)
    finetune_batch: int | None = _setting(None, _FINETUNE_BATCH, least=1, later=True)
    finetune_momentum: float = _setting(0.0, "of its steps", least=0, below=1, later=True)
    finetune_dampening: float = _setting(0.0, "of that momentum", least=0, below=1, later=True)
    finetune_weight_decay: float = _setting(0.0, "of its steps", least=0, later=True)
    finetune_statistics: str = _setting("kept", "running ones, with each step", choices=("kept", "moved"), later=True)
    cosine_scale: float | None = _setting(None, "of cosines at test, or none: 2, over 200 ways 10", above=0, later=True)
    precision: str = _setting("fp32", _PRECISION, choices=PRECISIONS, later=True)
    rotations: str | None = _setting(None, _ROTATIONS, choices=ROTATIONS, later=True)
    benchmark: str | None = _setting(None, "benchmark of the episodes, or none: the training's", later=True)
    meaning: int = _setting(MEANING, "raised when the meaning of the code changes", least=1)


@dataclass(frozen=True)
class Protocol:
    """A training part and an evaluation part."""

    training: Training
    evaluation: Evaluation

    def shape(self, split: str, benchmark: Benchmark) -> EpisodeShape:
        """The shape of a split's episodes: the benchmark's at test, the training settings' in training, either one in
        validation."""
        part = self.part(split)
        own = (part.ways, part.shots) if isinstance(part, Training) else (None, None)
        return benchmark.with_shape(*own).episode(part.queries)

    def part(self, split: str) -> Training | Evaluation:
        """The part whose settings apply to the episodes of a split."""
        as_trained = split == "train" or (split == "valid" and self.training.validation_shape == "training")
        return self.training if as_trained else self.evaluation


def digest(*values: Any) -> str:
    """Eight hexadecimal digits of the SHA-256 of the values, written as canonical JSON."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def training_hash(training: Training, data_digest: str) -> str:
    """The hash that identifies a run, besides its benchmark, method and seed."""
    return digest(_hashed_fields(training), data_digest)


def evaluation_hash(evaluation: Evaluation) -> str:
    """The hash that identifies an evaluation of a run, besides the iteration."""
    return digest(_hashed_fields(evaluation))


def _hashed_fields(part: Any) -> dict[str, Any]:
    """The fields to hash: all, except those added later whose value is the default."""
    left_out = {f.name for f in fields(part) if f.metadata["later"] and getattr(part, f.name) == f.default}
    return {name: value for name, value in vars(part).items() if name not in left_out}
