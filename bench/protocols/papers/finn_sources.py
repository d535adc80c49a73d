"""The source of every value of `paper`; the authors' files are those of cbfinn/maml, commit a7f45f1."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import FUNCTIONS, Benchmark
from bench.protocols.citation import Citation, Citations

SHRUNK = Citation("this project: shrunk for tests")
_PROJECT = Citation("this project")
_METHOD = "paper, section 5.2"
_ONE_SHOT = "cbfinn/maml, issue 3, the first author: Omniglot's models were trained with 1 shot"
_SETTINGS = "paper, appendix A.1"
_ELSEWHERE = Citation("does not concern these images")
_NO_MINIBATCHES = Citation("paper, algorithm 2: a gradient step on the whole support set")
_STAYS = Citation("authors' maml.py: the rate stays as it is")
PROJECTS_OWN: Citations = {
    "ways": Citation("as at test: none, the benchmark's"),
    "shots": Citation("as at test: none, the benchmark's"),
    "classes": Citation("this project: those of validation are for validation"),
    "inputs": Citation("values from 0 to 1, as they are"),
    "image_order": Citation("this project"),
    "inner_batch": _NO_MINIBATCHES,
    "inner_beta1": _NO_MINIBATCHES,
    "inner_optimiser": Citation("paper, equation 1: gradient descent"),
    "evaluation.inner_batch": _NO_MINIBATCHES,
    "scored_steps": Citation("this project"),
    "inner_loss": _NO_MINIBATCHES,
    "multi_step_epochs": Citation("paper, algorithm 2: the loss after the last step"),
    "activation": Citation("paper, section 5: ReLU"),
    "split": _ELSEWHERE,
    "ones": _ELSEWHERE,
    "rotations": Citation("none: the benchmark's, a turn a class on Omniglot"),
    "evaluation.rotations": Citation("none: the benchmark's, a turn a class on Omniglot"),
    "validation_shape": Citation("this project; it moves the best weights, not the last"),
    "validations": Citation("this project; it moves the best weights, not the last"),
    "validation_episodes": Citation("this project; it moves the best weights, not the last"),
    "precision": _PROJECT,
    "evaluation.precision": _PROJECT,
    "image_batch": Citation("this project: fine-tuning sees the images of the same episodes"),
    "adapt": Citation("this project, after Ravi and Larochelle 2017: the whole network"),
    "finetune_steps": Citation("Ravi and Larochelle 2017, code: 15 updates"),
    "finetune_head_steps": Citation("this project: as many"),
    "finetune_lrs": Citation(
        "this project: four rates of Ravi and Larochelle's grid from 0.5 to 1e-5, without its decay"
    ),
    "finetune_batch": Citation("Ravi and Larochelle 2017, code: the whole support set"),
    **dict.fromkeys(
        ("finetune_momentum", "finetune_dampening", "finetune_weight_decay"),
        Citation("Ravi and Larochelle 2017, code: none"),
    ),
    "finetune_statistics": Citation("this project"),
    "cosine_scale": Citation("Chen et al. 2019, code, backbone.py (distLinear): 2 for up to 200 outputs, else 10"),
    "finetune_episodes": Citation("this project; Ravi and Larochelle 2017, code: 100"),
}


def sources(benchmark: Benchmark) -> Citations:
    """Setting, by its `--set` name -> source, for every setting of `paper`."""
    found = PROJECTS_OWN | _paper_everywhere(benchmark)
    if benchmark.form == FUNCTIONS:
        return found | _paper_sinusoid()
    coloured = benchmark.input_shape[0] == 3
    found |= _paper_mini_imagenet(benchmark) if coloured else _paper_omniglot(benchmark)
    if benchmark.source not in ("mini-imagenet", "omniglot"):
        like = "miniImageNet" if coloured else "Omniglot"
        found = {name: replace(source, where=f"as on {like}: {source.where}") for name, source in found.items()}
    if benchmark.name == "tiny":
        shrunk = ("filters", "iterations", "meta_batch", "validations", "validation_episodes", "episodes")
        found |= dict.fromkeys((*shrunk, "finetune_episodes", "finetune_steps"), SHRUNK)
    return found


def _paper_everywhere(benchmark: Benchmark) -> Citations:
    return {
        "iterations": Citation(_SETTINGS),
        "meta_batch": Citation(_SETTINGS),
        "meta_update": Citation("paper, algorithm 2"),
        "meta_optimiser": Citation("authors' maml.py: AdamOptimizer"),
        "meta_lr": Citation("authors' main.py: meta_lr, of Adam"),
        **dict.fromkeys(("meta_lr_halved_every", "meta_lr_final", "meta_lr_path", "epoch"), _STAYS),
        "inner_steps": Citation(_SETTINGS),
        "batch_norm_scale": Citation("authors' utils.py (normalize): batch_norm's default, no gamma"),
        "batch_norm_gamma": Citation("does not concern this batch norm, which has no gamma"),
        "batch_norm_adapted": Citation("authors' maml.py: beta is none of the weights that the inner loop changes"),
        "batch_norm_epsilon": Citation("authors' utils.py (normalize): batch_norm's default"),
        "batch_statistics": Citation("authors' utils.py (normalize): batch_norm's default, in training and in test"),
        "episodes": Citation("authors' main.py: NUM_TEST_POINTS"),
        "evaluation.inner_steps": Citation(_SETTINGS),
        "queries": Citation("authors' main.py: as many as shots"),
        "evaluation.queries": Citation("authors' main.py: as many as shots"),
        "evaluation.batch_statistics": Citation("authors' utils.py (normalize): the batch's own, at test too"),
        "weights": Citation("authors' main.py: test_iter, the latest"),
    }


def _paper_mini_imagenet(benchmark: Benchmark) -> Citations:
    ways, shots, queries = benchmark.ways, benchmark.shots, 15
    factor = f"{ways * queries / shots:g} times the mean"
    more = "; the usage text of the authors' main.py has 4" * (shots == 5)
    return {
        "meta_batch": Citation(_SETTINGS + more),
        "clip": Citation("authors' maml.py", own=f"10, on a loss that is {factor}"),
        "queries": Citation(_SETTINGS),
        "inner_lr": Citation(f"{_SETTINGS}; loss: authors' utils.py (xent)", own=_alpha("0.01", ways)),
        "filters": Citation(_METHOD),
        "downsampling": Citation(f"{_METHOD}; authors' utils.py (conv_block)"),
        "head_input": Citation("authors' maml.py (forward_conv): 5 x 5 x 32, in a row"),
        "initialisation": Citation("authors' maml.py (construct_conv_weights): Glorot uniform, zero biases"),
        "resize": Citation("does not concern these images"),
    }


def _paper_omniglot(benchmark: Benchmark) -> Citations:
    alpha = "0.4" if benchmark.ways == 5 else "0.1"
    once = {"shots": Citation(_ONE_SHOT), "queries": Citation(f"authors' main.py: as many as shots; {_ONE_SHOT}")}
    return (once if benchmark.shots > 1 else {}) | {
        "iterations": Citation(f"{_SETTINGS}; the usage text of the authors' main.py has 40,000"),
        "clip": Citation("authors' maml.py: miniImageNet's gradient alone is clipped"),
        "inner_lr": Citation(f"{_SETTINGS}; loss: authors' utils.py (xent)", own=_alpha(alpha, benchmark.ways)),
        "filters": Citation(f"{_METHOD}; authors' main.py: num_filters"),
        "downsampling": Citation(f"{_METHOD}: strided convolutions; padding: authors' utils.py (SAME)"),
        "head_input": Citation("authors' maml.py (forward_conv): the mean over the image"),
        "initialisation": Citation("authors' maml.py (construct_conv_weights): Glorot uniform, head from N(0, 1)"),
        "evaluation.inner_steps": Citation(f"{_SETTINGS}; the authors' main.py reports steps 0 to 10"),
        "classes": Citation("authors' data_generator.py: 1100 of those 1200, for 100 are for validation"),
        "split": Citation("paper, section 5.2: 1200 characters at random for training; which is not known"),
        "ones": Citation("authors' data_generator.py: inverted"),
        "rotations": Citation("authors' data_generator.py: the benchmark's, a turn a class"),
        "evaluation.rotations": Citation("authors' data_generator.py: at test too"),
        "resize": Citation("authors' resize_images.py: LANCZOS on 1-bit files, for which Pillow uses NEAREST"),
    }


def _paper_sinusoid() -> Citations:
    of_images = (
        *("downsampling", "head_input", "resize", "image_batch", "batch_statistics", "evaluation.batch_statistics"),
        *("batch_norm_scale", "batch_norm_gamma", "batch_norm_adapted", "batch_norm_epsilon"),
    )
    return dict.fromkeys(of_images, Citation("does not concern this network")) | {
        "iterations": Citation("authors' main.py: its usage text"),
        "meta_batch": Citation("authors' main.py: meta_batch_size"),
        "clip": Citation("authors' maml.py: miniImageNet's gradient alone is clipped"),
        "queries": Citation("authors' main.py: as many as shots"),
        "inner_lr": Citation("paper, section 5.1; the authors' main.py has 0.001. Their loss is a mean"),
        "inner_steps": Citation("paper, section 5.1"),
        "filters": Citation("paper, section 5.1: two hidden layers"),
        "initialisation": Citation("authors' maml.py (construct_fc_weights): truncated normal of 0.01"),
        "evaluation.inner_steps": Citation("authors' main.py: test_num_updates; paper, figure 3"),
        "finetune_steps": Citation("paper, figure 3: ten steps, also of the pre-trained baseline"),
        "finetune_lrs": Citation("this project: a grid, where the paper tunes the step size"),
        "finetune_episodes": _PROJECT,
    }


def _alpha(alpha: str, ways: int) -> str:
    return f"{alpha}, on a loss that is {ways} times the mean"
