"""CUB-200-2011 (Wah et al. 2011), split as Chen et al. (2019) do, from torchmeta's files or the original ones.

Its photographs are of any size. Nobody's resizing is the agreed one: here the middle square becomes 84 x 84.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from bench.data.images import Source, SourceClass
from bench.data.readers.archives import is_archive, read_archives, read_folder
from bench.data.readers.image_files import decode, fitted
from bench.data.readers.torchmeta import by_split, image_files
from bench.data.splits import read_split
from bench.errors import UserError

SIDE = 84
ACCEPTED = (
    "torchmeta's folder `cub` with {train,val,test}_data.hdf5 and their _labels.json, or CUB_200_2011 or its .tgz"
)


def open_source(path: Path, keep_going: bool) -> Source:
    """A user's copy. Raises UserError where it is none, or damaged; `keep_going`: broken images are only noted."""
    noted: list[str] = []
    corrupt = noted if keep_going else None
    for folder in (path, path / "cub"):
        if by_split(folder, "{}_data.hdf5"):
            return Source(folder, "HDF5 of torchmeta", tuple(image_files(folder, SIDE, corrupt, fitted)), noted)
    return Source(path, "original files", tuple(_in_files(_jpegs(path), corrupt)), noted)


def _jpegs(path: Path) -> Mapping[str, bytes]:
    """Path -> content of all JPEG files of the original copy; the path ends in class/file."""
    if is_archive(path):
        return read_archives([path], (".jpg",))
    for folder in (path, path / "cub"):
        if (folder / "CUB_200_2011" / "images").is_dir() or (folder.name == "CUB_200_2011" and folder.is_dir()):
            return read_folder(folder, (".jpg",))
        if (archive := folder / "CUB_200_2011.tgz").is_file():
            return read_archives([archive], (".jpg",))
    raise UserError(f"{path}: no CUB-200-2011 there: give {ACCEPTED}")


def _in_files(files: Mapping[str, bytes], corrupt: list[str] | None) -> Iterator[SourceClass]:
    by_class = defaultdict(list)
    for name in sorted(files):
        *_, images, bird, _file = "", "", *PurePosixPath(name).parts
        if images == "images":
            by_class[bird].append(name)
    for bird, names in by_class.items():
        read = partial(decode, files, names, SIDE, "RGB", corrupt, fitted)
        yield SourceClass(bird, read_split("cub").get(bird, "unknown"), len(names), read)
