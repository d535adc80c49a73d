"""Writes a stream of episodes to a folder, for other code: plain Parquet, NumPy and JSON.

episodes.parquet    one row per image: episode, part (support or query), place in the part, label, class, its image
                    (place among the class's images, ordered by content), turn (degrees, anticlockwise) and sha256
                    (of its unturned uint8 pixels [height, width, channels])
images.npy          on request: uint8 [images, height, width, channels], each image turned as in its episode, at the
                    index given by the column `row` of episodes.parquet
manifest.json       `stream` (the identifier that predictions must carry), what the stream consists of, and the
                    SHA-256 of the other files
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import files
from bench.episodes.images import ImageEpisodes
from bench.errors import UserError
from bench.tools.exchange.stream import name_of

FORMAT = 1
EPISODES, IMAGES, MANIFEST = "episodes.parquet", "images.npy", "manifest.json"
_FILES = (EPISODES, IMAGES, MANIFEST)


def export(stream: ImageEpisodes, episodes: int, out: Path, images: bool) -> dict[str, Any]:
    """Writes the first `episodes` episodes into a folder, and returns the manifest. Raises UserError if the folder
    already has episodes; nothing is left of an export that fails or is interrupted."""
    for name in _FILES:
        if (out / name).exists():
            raise UserError(f"{out / name} exists: give another folder, or remove it")
    try:
        return _export(stream, episodes, out, images)
    except BaseException:
        for name in _FILES:
            with suppress(OSError):  # there is no such folder: what is raised says so
                (out / name).unlink()
        raise


def _export(stream: ImageEpisodes, episodes: int, out: Path, images: bool) -> dict[str, Any]:
    table = _table(stream, episodes)
    if images:
        pairs, row = np.unique(table[["_index", "turn"]].to_numpy(), axis=0, return_inverse=True)
        table["row"] = row.ravel()
        pixels = np.stack([np.rot90(stream.data.images[index], turn // 90) for index, turn in pairs])
        files.write_atomically(out / IMAGES, lambda path: _save(path, pixels))
    table = table.drop(columns="_index")
    files.write_atomically(out / EPISODES, lambda path: table.to_parquet(path, index=False))
    manifest = _manifest(stream, episodes)
    manifest["files"] = {name: files.sha256(out / name) for name in (EPISODES, *([IMAGES] if images else []))}
    files.write_json(out / MANIFEST, manifest)
    return manifest


def _save(path: Path, pixels: np.ndarray) -> None:
    with open(path, "wb") as file:  # given a path, NumPy would add a suffix
        np.save(file, pixels)


def _manifest(stream: ImageEpisodes, episodes: int) -> dict[str, Any]:
    benchmark, data = stream.benchmark, stream.data
    return {
        "format": FORMAT,
        "stream": name_of(stream, episodes),
        "benchmark": benchmark.name,
        "split": stream.split,
        "episodes": episodes,
        **stream.shape._asdict(),
        "episodes_digest": stream.digest,
        "data": {name: getattr(data, name) for name in ("name", "digest", "known_as", "partial")},
    }


def _table(stream: ImageEpisodes, episodes: int) -> pd.DataFrame:
    """One row per image, episode by episode: the support class by class, followed by the query in the episode's
    order."""
    (ways, shots, _), classes = stream.shape, stream.classes
    images, turns, drawn_classes, order = (part.numpy() for part in stream.draw(0, episodes))
    support = images[:, :, :shots].reshape(episodes, -1)
    query = np.take_along_axis(images[:, :, shots:].reshape(episodes, -1), order, 1)
    support_labels = np.tile(np.arange(ways).repeat(shots), (episodes, 1))
    parts = []
    for part, index, label in (
        ("support", support, support_labels),
        ("query", query, stream.query_labels(0, episodes)),
    ):
        episode, place = np.indices(index.shape)
        columns = {
            "episode": episode.ravel(),
            "part": part,
            "place": place.ravel(),
            "label": label.ravel(),
            "_class": drawn_classes[episode, label].ravel(),
            "_index": index.ravel(),
            "turn": 90 * turns[episode, label].ravel(),
        }
        parts.append(pd.DataFrame(columns))
    table = pd.concat(parts).sort_values(["episode", "part", "place"], ascending=[True, False, True], ignore_index=True)
    offsets = np.array([c.offset for c in classes])
    table["image"] = table["_index"] - offsets[table["_class"]]
    table["class"] = np.array([c.name for c in classes], dtype=object)[table["_class"]]
    sums = {index: _sum(stream.data.images[index]) for index in table["_index"].unique()}
    table["sha256"] = table["_index"].map(sums)
    return table[["episode", "part", "place", "label", "class", "image", "turn", "sha256", "_index"]]


def _sum(image: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
