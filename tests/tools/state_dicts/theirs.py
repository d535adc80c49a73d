"""Networks with the modules, names and order of layers of widely used code, written here for comparison."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FILTERS = 6


class Block(nn.Module):
    """learn2learn's ConvBlock: the norm is declared before the convolution."""

    def __init__(self, channels: int, filters: int, pool: bool) -> None:
        super().__init__()
        self.max_pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.normalize = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(channels, filters, 3, stride=1 if pool else 2, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.max_pool(self.relu(self.normalize(self.conv(images))))


def blocks(channels: int, filters: int, pool: bool) -> nn.Sequential:
    return nn.Sequential(*(Block(channels if k == 0 else filters, filters, pool) for k in range(4)))


class LearnCnn4(nn.Module):
    """learn2learn's CNN4."""

    def __init__(self, channels: int, features: int, ways: int = 5, filters: int = FILTERS) -> None:
        super().__init__()
        self.features = blocks(channels, filters, pool=True)
        self.classifier = nn.Linear(features * filters, ways)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))


class Mean(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))


class LearnOmniglot(nn.Module):
    """learn2learn's OmniglotCNN: its blocks are in the state_dict twice."""

    def __init__(self, ways: int = 5, filters: int = FILTERS) -> None:
        super().__init__()
        self.base = blocks(1, filters, pool=False)
        self.features = nn.Sequential(nn.Identity(), self.base, Mean(), nn.Flatten())
        self.classifier = nn.Linear(filters, ways)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images))


class Wrapped(nn.Module):
    """The wrapper that learn2learn's MAML, and DataParallel, put around a network."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module


class Torchmeta(nn.Module):
    """pytorch-maml's MetaConvModel: no running statistics."""

    def __init__(self, channels: int, features: int, ways: int = 5, filters: int = FILTERS) -> None:
        super().__init__()

        def block(before: int) -> nn.Sequential:
            layers = OrderedDict(
                conv=nn.Conv2d(before, filters, 3, padding=1),
                norm=nn.BatchNorm2d(filters, track_running_stats=False),
                relu=nn.ReLU(),
                pool=nn.MaxPool2d(2),
            )
            return nn.Sequential(layers)

        named = OrderedDict((f"layer{k}", block(channels if k == 1 else filters)) for k in (1, 2, 3, 4))
        self.features = nn.Sequential(named)
        self.classifier = nn.Linear(features * filters, ways)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))


class Learner(nn.Module):
    """dragen1860/MAML-Pytorch's Learner: lists of parameters; ReLU before the norm, and no padding."""

    def __init__(self, channels: int, ways: int = 5, filters: int = FILTERS) -> None:
        super().__init__()
        self.strided = channels == 1
        self.vars, self.vars_bn = nn.ParameterList(), nn.ParameterList()
        for k in range(4):
            side = 2 if self.strided and k == 3 else 3
            self._pair(torch.randn(filters, filters if k else channels, side, side), torch.randn(filters))
            self._pair(torch.randn(filters), torch.randn(filters))
            statistics = (torch.randn(filters), torch.rand(filters))
            self.vars_bn.extend(nn.Parameter(value, requires_grad=False) for value in statistics)
        self._pair(torch.randn(ways, filters * (1 if self.strided else 25)), torch.randn(ways))

    def _pair(self, weight: Tensor, bias: Tensor) -> None:
        self.vars.extend([nn.Parameter(weight), nn.Parameter(bias)])

    def forward(self, images: Tensor) -> Tensor:
        v, hidden = list(self.vars), images
        for k in range(4):
            stride = 2 if self.strided and k < 3 else 1
            hidden = F.relu(F.conv2d(hidden, v[4 * k], v[4 * k + 1], stride=stride))
            hidden = F.batch_norm(hidden, None, None, v[4 * k + 2], v[4 * k + 3], training=True)
            if not self.strided:
                hidden = F.max_pool2d(hidden, 2, 1 if k == 3 else 2)
        return F.linear(hidden.flatten(1), v[16], v[17])


class LibFewShot(nn.Module):
    """LibFewShot's MAML on Conv64F (`head`: its classifier), or its ProtoNet."""

    def __init__(self, ways: int | None = 5, filters: int = FILTERS) -> None:
        super().__init__()
        self.emb_func = nn.Module()
        for k in (1, 2, 3, 4):
            layers = [nn.Conv2d(3 if k == 1 else filters, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
            setattr(self.emb_func, f"layer{k}", nn.Sequential(*layers))
        if ways is not None:
            self.classifier = nn.Module()
            self.classifier.layers = nn.Sequential(nn.Linear(25 * filters, ways))

    def embed(self, images: Tensor) -> Tensor:
        for k in (1, 2, 3, 4):
            images = F.max_pool2d(getattr(self.emb_func, f"layer{k}")(images), 2)
        return images.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier.layers(self.embed(images))


class CloserBlock(nn.Module):
    """CloserLookFewShot's ConvBlock: its layers are in the state_dict twice."""

    def __init__(self, before: int, filters: int) -> None:
        super().__init__()
        self.C, self.BN = nn.Conv2d(before, filters, 3, padding=1), nn.BatchNorm2d(filters)
        self.relu, self.pool = nn.ReLU(), nn.MaxPool2d(2)
        self.trunk = nn.Sequential(self.C, self.BN, self.relu, self.pool)

    def forward(self, images: Tensor) -> Tensor:
        return self.trunk(images)


class CloserLook(nn.Module):
    """CloserLookFewShot's MAML, or (`outputs`: None) its ProtoNet, on Conv4 or, for grey images, Conv4S."""

    def __init__(self, channels: int, outputs: int | None = 5, filters: int = FILTERS) -> None:
        super().__init__()
        self.feature = nn.Module()
        made = [CloserBlock(filters if k else channels, filters) for k in range(4)]
        self.feature.trunk = nn.Sequential(*made, nn.Flatten())
        if outputs is not None:
            self.classifier = nn.Linear(filters * (25 if channels == 3 else 1), outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.feature.trunk(images))


def plain(channels: int, features: int, stride: int, ways: int = 5, filters: int = FILTERS) -> nn.Sequential:
    """A plain Sequential, as in many papers' repositories."""
    layers: list[nn.Module] = []
    for k in range(4):
        convolution = nn.Conv2d(filters if k else channels, filters, 3, stride, padding=1)
        layers += [convolution, nn.BatchNorm2d(filters), nn.ReLU(), *([nn.MaxPool2d(2)] if stride == 1 else [])]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features * filters, ways))


def trained_looking(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with non-default values in every tensor, as after training."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.add_(torch.rand(value.shape, generator=draw) * (0.5 if "running_var" in name else 0.3))
    return network


def _channels(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


IMAGENET = (_channels(0.485, 0.456, 0.406), _channels(0.229, 0.224, 0.225))
METAOPTNET = (
    _channels(120.39586422, 115.59361427, 104.54012653) / 255,
    _channels(70.68188272, 68.27635443, 72.54505529) / 255,
)
Sees = Callable[[Tensor], Tensor]
# What each code shows its network of images [images, channels, height, width] in [0, 1], ink 1.
SEEN: dict[str, Sees] = {
    "unit": lambda images: images,
    "bytes": lambda images: images * 255,
    "inverted": lambda images: 1 - images,
    "imagenet": lambda images: (images - IMAGENET[0]) / IMAGENET[1],
    "inverted-imagenet": lambda images: (1 - images - 0.485) / 0.229,
    "metaoptnet": lambda images: (images - METAOPTNET[0]) / METAOPTNET[1],
}
# name: (network, the benchmark that it is of, what its code shows it)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "learn2learn, CNN4": (lambda: LearnCnn4(3, 25), "miniimagenet-5w1s", "bytes"),
    "learn2learn, OmniglotCNN": (lambda: LearnOmniglot(), "omniglot-5w1s", "unit"),
    "torchmeta's pytorch-maml": (lambda: Torchmeta(3, 25), "miniimagenet-5w1s", "unit"),
    "torchmeta's pytorch-maml, grey": (lambda: Torchmeta(1, 1), "omniglot-5w1s", "unit"),
    "dragen1860/MAML-Pytorch": (lambda: Learner(3), "miniimagenet-5w1s", "imagenet"),
    "dragen1860/MAML-Pytorch, grey": (lambda: Learner(1), "omniglot-5w1s", "inverted"),
    "LibFewShot": (lambda: LibFewShot(), "miniimagenet-5w1s", "metaoptnet"),
    "CloserLookFewShot": (lambda: CloserLook(3), "miniimagenet-5w1s", "imagenet"),
    "CloserLookFewShot, grey": (lambda: CloserLook(1), "omniglot-5w1s", "inverted-imagenet"),
    "unknown": (lambda: plain(3, 25, 1), "miniimagenet-5w1s", "unit"),
    "unknown, grey and strided": (lambda: plain(1, 4, 2), "omniglot-5w1s", "unit"),
}
