"""The common layouts of state_dicts, recognised by the names of their modules, and what the code behind them does.

Settings that weights do not show are taken from the code that made them, with the options of its authors' examples: the
rate of the inner loop, what it adapts, and how images are transformed. Read at the commits named here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.tools.state_dicts.modules import Module

_MIDDLE = "their test images are the middle 84 x 84 of 96 x 96, ours are the whole image"
_RUNNING = "their metric and fine-tuned methods are tested with running statistics, as nearest and finetune can be"
_POOLED = {"downsampling": "max-pool", "head_input": "flatten"}


@dataclass(frozen=True)
class Layout:
    """`settings`: training settings for any images; `colour`, `grey`: those for images with three channels, or one.
    `says`: how their code differs from what is done here."""

    name: str
    source: str
    convolution: str
    norm: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    colour: Mapping[str, Any] = field(default_factory=dict)
    grey: Mapping[str, Any] = field(default_factory=dict)
    says: tuple[str, ...] = ()

    def of(self, convolutions: Sequence[Module], norms: Sequence[Module]) -> bool:
        """Whether these modules have the names of this layout."""
        named = [(self.convolution, convolutions), (self.norm, norms)]
        return all(re.search(f"(?:^|\\.){pattern}$", m.name) for pattern, layers in named for m in layers)

    def training(self, channels: int) -> dict[str, Any]:
        """The training settings, for images with this many channels."""
        return {**self.settings, **(self.colour if channels == 3 else self.grey)}


UNKNOWN = Layout("unknown", "", "", "", {"blocks": "padded", "batch_norm_adapted": True})
OTHERS = (
    Layout(
        "learn2learn, OmniglotCNN",
        "learnables/learn2learn db5cee3, learn2learn/vision/models/cnn4.py",
        r"(base|features\.1)\.\d\.conv",
        r"(base|features\.1)\.\d\.normalize",
        {"blocks": "padded", "downsampling": "stride", "head_input": "mean", "batch_norm_adapted": True},
        grey={"inner_lr": 0.5, "resize": "lanczos"},
        says=("their example adapts with one step, and splits the characters at random",),
    ),
    Layout(
        "learn2learn, CNN4",
        "learnables/learn2learn db5cee3, learn2learn/vision/models/cnn4.py",
        r"\d\.conv",
        r"\d\.normalize",
        {"blocks": "padded", **_POOLED, "batch_norm_adapted": True, "inner_lr": 0.5},
        colour={"inputs": "bytes"},
        grey={"resize": "lanczos"},
        says=("their example adapts with one step",),
    ),
    Layout(
        "torchmeta's pytorch-maml",
        "tristandeleu/pytorch-maml 4410427, maml/model.py",
        r"layer\d\.conv",
        r"layer\d\.norm",
        {"blocks": "padded", **_POOLED, "batch_norm_adapted": False, "inner_lr": 0.1},
        says=("by default they adapt with one step", "their Omniglot images are resized by another resizer"),
    ),
    Layout(
        "dragen1860/MAML-Pytorch",
        "dragen1860/MAML-Pytorch 98a00d4, learner.py",
        r"vars\.\d+",
        r"vars\.\d+",
        {"blocks": "unpadded", "head_input": "flatten", "batch_norm_adapted": True},
        colour={"downsampling": "max-pool", "inner_lr": 0.01, "inputs": "imagenet"},
        grey={"downsampling": "stride", "inner_lr": 0.4, "inputs": "inverted"},
        says=("their Omniglot images are resized by another resizer, and split by the order of the folders",),
    ),
    Layout(
        "LibFewShot",
        "RL-VIG/LibFewShot 067efb7, core/model/backbone/conv_four.py",
        r"layer\d\.0",
        r"layer\d\.1",
        {"blocks": "padded", **_POOLED, "batch_norm_adapted": True, "inner_lr": 0.01},
        colour={"inputs": "metaoptnet"},
        says=(
            "a leaky ReLU (its option leaky_relu) leaves no trace in the weights; ReLU is assumed",
            _MIDDLE,
            _RUNNING,
        ),
    ),
    Layout(
        "CloserLookFewShot",
        "wyharveychen/CloserLookFewShot e03aca8, backbone.py",
        r"trunk\.\d\.C",
        r"trunk\.\d\.BN",
        {"blocks": "padded", **_POOLED, "batch_norm_adapted": True},
        colour={"inner_lr": 0.01, "inputs": "imagenet"},
        grey={"inner_lr": 0.1, "inputs": "inverted-imagenet"},
        says=(_MIDDLE, _RUNNING),
    ),
)


def recognise(convolutions: Sequence[Module], norms: Sequence[Module]) -> Layout:
    """The layout whose modules have these names, or `UNKNOWN`."""
    return next((layout for layout in OTHERS if layout.of(convolutions, norms)), UNKNOWN)
