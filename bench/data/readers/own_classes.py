"""The classes of a user's own images, from the folders that they are in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.data.readers.archives import is_hidden
from bench.data.readers.masks import MASKS
from bench.data.readers.split_names import HALVES, as_splits, is_phase, splits_in
from bench.data.splits import some
from bench.errors import UserError, quantity
from bench.protocols.benchmarks import SPLITS


@dataclass(frozen=True)
class OwnClass:
    """A class and the paths of its images; `split` is None if nothing defines it."""

    split: str | None
    name: str
    files: list[str]


def in_folders(path: Path, images: Sequence[str], levels: int) -> list[OwnClass]:
    """The classes: folders `levels` below `path`, or below the splits in it. Raises UserError if that is impossible."""
    root = _root(path, images)
    tops = folders_in(path / root)
    splits = _splits(path, tops, images)
    where: dict[PurePosixPath, str | None] = {root / top: split for top, split in splits.items()} or {root: None}
    found = [each for top, split in where.items() for each in _classes(path, top, split, images, levels)]
    _check_named(path, found)
    check_one_split_each(path, sorted(found, key=lambda each: SPLITS.index(each.split) if each.split else 0))
    _check_given(path, splits, where)
    _check_flat(path, found)
    return found


def folders_in(path: Path) -> list[str]:
    """The names of the folders in a folder, sorted."""
    return sorted(each.name for each in path.iterdir() if each.is_dir() and not is_hidden(each.name))


def _root(path: Path, images: Sequence[str]) -> PurePosixPath:
    """The deepest folder that contains all images without being a class: it descends while there is a single folder of
    folders."""
    root = PurePosixPath()
    while True:
        parts = [PurePosixPath(name).relative_to(root).parts for name in images]
        tops = {part[0] for part in parts}
        forked = len(tops) != 1 or any(len(part) < 3 for part in parts)
        if not images or forked or as_splits(tops):
            return root
        root /= tops.pop()


def _splits(path: Path, tops: Sequence[str], images: Sequence[str]) -> dict[str, str]:
    """Folder -> split, if the folders are splits rather than classes. A class may also be named `train`; it has no
    subfolders. Raises UserError if other folders are beside splits."""
    named = as_splits(tops)
    if HALVES.keys() <= set(tops):
        named = dict(HALVES)
    others = [top for top in tops if top not in named]
    splits = [top for top in named if any(len(p) > 2 and top in p[:-2] for p in map(_parts, images))]
    if splits and others:
        raise UserError(
            f"{path}: {some(others, 5)} beside the splits {', '.join(splits)}: {_step(others, named.values())}"
        )
    return named if not others else {}


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parts


def _step(others: Sequence[str], splits: Collection[str]) -> str:
    if all(map(is_phase, others)):
        return (
            "these look like parts of the training classes' images: move the images of each class into one folder, "
            "train/CLASS/, or, to leave them out, move these folders elsewhere"
        )
    if both := [name for name in others if len(splits_in(name)) > 1]:
        return (
            f"{both[0]} names two splits: move its class folders into one folder per split, such as train/ and valid/"
        )
    return "move it elsewhere" if "valid" in splits else "rename it to valid/ if its classes are for validation"


def _check_given(path: Path, splits: Mapping[str, str], where: Mapping[PurePosixPath, str | None]) -> None:
    here = {owner: f for f, owner in where.items() if owner and folders_in(path / f)}
    for split in SPLITS if splits else ():
        if split not in here:
            raise UserError(
                f"{path}: no class folders for the split {split!r}: give all of {', '.join(SPLITS)}, with a folder "
                f"per class in each; there are {', '.join(splits)}{_how_to_complete(path, here)}"
            )


def _how_to_complete(path: Path, here: Mapping[str, PurePosixPath]) -> str:
    """What to do if splits are missing."""
    if len(here) == 1:
        return f": to split its classes, give {path / next(iter(here.values()))}"
    if here.keys() == {"train", "test"}:
        return f" (two parts, and none for validation: move some class folders of {here['train']}/ into `valid/`)"
    return ""


def _classes(
    path: Path, top: PurePosixPath, split: str | None, images: Sequence[str], levels: int
) -> Iterator[OwnClass]:
    by_folder = defaultdict(list)
    depth = len(top.parts)
    for name in images:
        parts = _parts(name)
        if parts[:depth] == top.parts and len(parts) > depth + levels:
            by_folder["/".join(parts[depth : depth + levels])].append(name)
    empty: dict[str, list[str]] = {folder: [] for folder in folders_in(path / top)} if levels == 1 else {}
    for folder, names in sorted((empty | by_folder).items()):
        yield OwnClass(split, folder, names)
    loose = [name for name in images if _parts(name)[:-1] == top.parts]
    if split and loose and not by_folder:
        raise UserError(
            f"{path}: {top}/ holds {quantity(len(loose), 'image')} but no class folders: put these into {top}/CLASS/"
        )


def _check_flat(path: Path, classes: Sequence[OwnClass]) -> None:
    """Raises UserError if a class folder contains folders that may be the classes, and no images of its own."""
    below = {each.name: _folders_below(each) for each in classes}
    deep = {name: inner for name, inner in below.items() if inner}
    if not deep or (len(set(map(tuple, deep.values()))) == 1 and all(len(inner) == 1 for inner in deep.values())):
        return
    name, inner = max(deep.items(), key=lambda pair: len(pair[1]))
    raise UserError(
        f"{path}: {name} holds folders ({some(inner)}) but no images, as do {len(deep)} of {len(classes)} folders that "
        f"would be classes ({some(list(deep))}): if the folders inside them are the classes, add --levels 2; if these "
        "are splits, rename them to train, valid and test"
    )


def _folders_below(each: OwnClass) -> list[str]:
    """The folders in a class's folder that contain its images, without masks; empty if some images are in it
    directly."""
    depth = each.name.count("/")
    start = (
        next((k for k, part in enumerate(_parts(each.files[0])) if part == each.name.split("/")[0]), 0)
        if each.files
        else 0
    )
    inner = [_parts(name)[start + depth + 1 :] for name in each.files]
    if any(len(parts) == 1 for parts in inner):
        return []
    return sorted({parts[0] for parts in inner if parts[0].lower() not in MASKS})


def _check_named(path: Path, classes: Sequence[OwnClass]) -> None:
    """Raises UserError if a split's only class is a folder named `images`, because then nothing defines the classes."""
    for split in SPLITS:
        names = [each.name for each in classes if each.split == split]
        if names == ["images"]:
            whole = next((s for s in SPLITS if sum(each.split == s for each in classes) > 1), "train")
            raise UserError(
                f"{path}: {split} holds no class folders, only images/, whose images have no class: to split the "
                f"classes of {whole}/, give that folder"
            )


def check_one_split_each(path: Path, classes: Iterable[OwnClass]) -> None:
    """Raises UserError if a class is in two splits."""
    owner: dict[str, OwnClass] = {}
    for each in classes:
        other = owner.setdefault(each.name, each)
        if other.split != each.split:
            raise UserError(
                f"{path}: class {each.name} is in {other.split} and in {each.split}, but splits consist of whole "
                "classes: put all of its images into one, or, if all classes are in both, into PATH/CLASS/ "
                "without splits"
            )
