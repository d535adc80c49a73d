"""Antoniou, Edwards and Storkey, "How to train your MAML" (ICLR 2019, arXiv 1810.09502), MAML++: `antoniou`.

The protocol follows the current state of the authors' code (AntreasAntoniou/HowToTrainYourMAMLPytorch, commit 8696470)
and its configurations, such as `experiment_config/omniglot_maml++-omniglot_1_8_0.1_64_20_0.json`. The configurations
of November 2018, which "reflect paper", differ from these (250 epochs, twice the meta-batch), and the published numbers
belong to an ensemble of the models of several epochs. Here one model is tested, so no published number is judged under
this protocol.
"""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.citation import Citation, Citations
from bench.protocols.papers import finn_sources
from bench.protocols.protocol import TURN, UPRIGHT, Evaluation, Protocol, Training


def antoniou(benchmark: Benchmark) -> Protocol:
    """Antoniou et al. 2019, MAML++ as in today's code, with one set of weights."""
    coloured, omniglot = benchmark.input_shape[0] == 3, benchmark.source == "omniglot"
    training = Training(
        iterations=50_000,
        meta_batch=2 if coloured else 8,
        meta_lr_final=None if coloured else 1e-5,
        meta_lr_path="cosine",
        epoch=500,
        multi_step_epochs=15 if coloured else 10,
        clip=10.0 if coloured else None,
        queries=15 if coloured else 1,
        inner_lr=0.1,
        inner_steps=5,
        filters=48 if coloured else 64,
        activation="leaky-relu",
        batch_norm_scale=True,
        batch_norm_epsilon=1e-5,
        inputs="imagenet" if coloured else "unit",
        validations=100,
        validation_episodes=600,
    )
    evaluation = Evaluation(queries=15 if coloured else 1, inner_steps=5, weights="best")
    if omniglot:
        training = replace(training, ones="paper", rotations=TURN)
        evaluation = replace(evaluation, rotations=UPRIGHT)
    if benchmark.name == "tiny":
        training = replace(training, filters=8, iterations=20, epoch=1, validations=2, validation_episodes=10)
        evaluation = replace(evaluation, episodes=20)
    return Protocol(training, evaluation)


_CONFIG, _SYSTEM = "authors' experiment_config", "authors' few_shot_learning_system.py"
_NETWORK, _DATA = "authors' meta_neural_network_architectures.py", "authors' data.py"


def sources(benchmark: Benchmark) -> Citations:
    """The source of every setting of `antoniou`."""
    coloured = benchmark.input_shape[0] == 3
    found = finn_sources.sources(benchmark) | {name: Citation(where) for name, where in _everywhere().items()}
    if coloured:
        found["clip"] = Citation(f"{_SYSTEM} (meta_update): of ImageNet's data alone, on the mean loss")
        found["inputs"] = Citation(f"{_DATA}: value / 255, then ImageNet's mean and standard deviation")
        found["meta_lr_final"] = Citation(f"{_CONFIG}: min_learning_rate is the rate itself")
    if benchmark.source == "omniglot":
        found |= {name: Citation(where) for name, where in _omniglot().items()}
    if benchmark.name == "tiny":
        shrunk = ("filters", "iterations", "epoch", "validations", "validation_episodes", "episodes")
        found |= dict.fromkeys(shrunk, finn_sources.SHRUNK)
    return found


def _everywhere() -> dict[str, str]:
    schedule = f"{_SYSTEM}: CosineAnnealingLR, stepped once an epoch"
    return {
        "iterations": f"{_CONFIG}: total_epochs 100 x total_iter_per_epoch 500",
        "meta_batch": f"{_CONFIG}: batch_size",
        "meta_update": f"{_SYSTEM} (get_across_task_loss_metrics): the mean over tasks",
        "meta_optimiser": f"{_SYSTEM}: Adam",
        "meta_lr": f"{_CONFIG}: meta_learning_rate",
        "meta_lr_halved_every": schedule,
        "meta_lr_final": f"{_CONFIG}: min_learning_rate; {schedule}",
        "meta_lr_path": schedule,
        "epoch": f"{_CONFIG}: total_iter_per_epoch",
        "multi_step_epochs": f"{_CONFIG}: multi_step_loss_num_epochs; after those {_SYSTEM} takes the last loss alone",
        "clip": f"{_SYSTEM} (meta_update): of ImageNet's data alone",
        "ways": f"{_CONFIG}: num_classes_per_set, in training and at test",
        "shots": f"{_CONFIG}: num_samples_per_class, in training and at test",
        "queries": f"{_CONFIG}: num_target_samples",
        "inner_optimiser": "authors' inner_loop_optimizers.py: gradient descent",
        "inner_lr": "authors' parser_utils.py: task_learning_rate; the configurations' other name for it is not read",
        "inner_steps": f"{_CONFIG}: number_of_training_steps_per_iter",
        "filters": f"{_CONFIG}: cnn_num_filters",
        "downsampling": f"{_CONFIG}: max_pooling",
        "head_input": f"{_NETWORK}: in a row",
        "initialisation": f"{_NETWORK}: xavier_uniform_, zero biases",
        "activation": f"{_NETWORK} (MetaConvNormLayerReLU): leaky_relu",
        "batch_norm_scale": f"{_CONFIG}: learnable_bn_gamma; each inner step has its own: per_step_bn_statistics",
        "batch_norm_gamma": f"{_NETWORK} (MetaBatchNormLayer): ones",
        "batch_norm_adapted": f"{_CONFIG}: enable_inner_loop_optimizable_bn_params is false",
        "batch_norm_epsilon": f"{_NETWORK} (MetaBatchNormLayer): eps",
        "batch_statistics": f"{_NETWORK} (MetaBatchNormLayer): training=True, always",
        "validations": f"{_CONFIG}: once an epoch",
        "validation_episodes": f"{_CONFIG}: num_evaluation_tasks",
        "episodes": f"{_CONFIG}: num_evaluation_tasks",
        "evaluation.queries": f"{_CONFIG}: num_target_samples",
        "evaluation.inner_steps": f"{_CONFIG}: number_of_evaluation_steps_per_iter",
        "evaluation.batch_statistics": f"{_NETWORK} (MetaBatchNormLayer): training=True, always",
        "weights": "this project: the best epoch in validation, where theirs averages the five best",
    }


def _omniglot() -> dict[str, str]:
    return {
        "split": f"{_CONFIG}: 1150, 50 and 423 characters in one order for all seeds; here 1100, 100 and 423",
        "classes": f"{_CONFIG}: those of validation are for validation",
        "ones": f"{_DATA}: as they are read, paper is 1",
        "rotations": f"{_DATA} (get_set): a turn a class in training",
        "evaluation.rotations": f"{_DATA} (get_test_batches): none",
        "resize": f"{_DATA}: Pillow's resize of 1-bit files, for which it uses NEAREST",
    }
