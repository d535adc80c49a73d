"""Draws episodes as pictures."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from bench import files
from bench.data import store
from bench.episodes.streams import stream
from bench.errors import UserError, program, unknown_name
from bench.protocols import presets
from bench.protocols.benchmarks import FUNCTIONS, SPLITS
from bench.tools.torchvision_compat import import_torchvision

_GAP = 12  # pixels between support and query


def episode(
    benchmark_name: str, split: str, seed: int, index: int, queries: int | None, out: Path, data_dir: Path | None
) -> str:
    """Writes an episode as a PNG, one row per class with the support on the left; returns a line that describes it."""
    benchmark = store.benchmark(benchmark_name, data_dir)
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: the picture is a PNG: give a name that ends in .png")
    if benchmark.form == FUNCTIONS:
        raise UserError(f"{benchmark.name} has no images to show; `{program()} report` draws its functions")
    protocol = presets.paper(benchmark)
    images = store.load(benchmark.source, data_dir, protocol.training.resize)
    shape = protocol.shape(split, benchmark)
    shape = shape._replace(queries=queries or shape.queries)
    episodes = stream(benchmark, images, split, shape, seed).on(torch.device("cpu"))
    shown = episodes.episodes(index, 1)
    query = shown.query[0][shown.query_labels[0].argsort(stable=True)]
    parts = [_grid(part, shape.ways) for part in (shown.support[0], query)]
    gap = torch.ones(3, parts[0].shape[1], _GAP)
    _save(torch.cat([parts[0], gap, parts[1]], dim=2), out)
    return (
        f"{out}: {benchmark.name}, {split} episode {index} of seed {episodes.seed}; one row per class, "
        f"{shape.shots} support and {shape.queries} query images each"
    )


def _grid(images: Tensor, ways: int) -> Tensor:
    """[ways * n, channels, height, width], class by class -> one image [3, height, width] with one row per class."""
    make_grid = import_torchvision().utils.make_grid
    return make_grid(images, nrow=len(images) // ways, padding=2, pad_value=0.5)


def _save(image: Tensor, out: Path) -> None:
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    files.write_atomically(out, lambda path: Image.fromarray(pixels).save(path, format="PNG"))
