"""Assigns image files to the classes of a known data set: by tables, by folders, or by the files' own names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from bench.data.readers.copies import IMAGES, Copy, Groups
from bench.data.readers.recognised import WNID, class_folders, this_is
from bench.data.readers.split_names import HALVES, is_phase, split_of
from bench.data.readers.tables import ClassTable, split_tables
from bench.data.splits import in_two_splits, some
from bench.errors import UserError, quantity


def by_tables(copy: Copy, class_of: Callable[[str], str | None]) -> Groups:
    """The classes as tables list them; empty without tables or images. Labels that are not class names, such as
    numbers, are identified by the class in the path of each image (`class_of`). Raises UserError if tables and files do
    not match."""
    images = copy.with_suffix(*IMAGES)
    tables = split_tables(copy) if images else {}
    if not tables:
        return {}
    places, seen = ImagePlaces(copy.path, images), set()
    groups: Groups = defaultdict(list)
    for split, table in tables.items():
        labels = _labels(copy, table, class_of)
        for row, label in table.rows:
            name = places.of(row, labels[label])
            if name in seen:
                raise UserError(
                    f"{copy.path}: {table.name}: {row} is listed twice: keep one row, or get the tables again"
                )
            seen.add(name or f"{split} {row}")
            groups[split, labels[label]] += [name] if name else []
    _check_met(copy, tables, images, groups)
    copy.notes += [f"no {s} next to {some([t.name for t in tables.values()])}" for s in _absent(tables)]
    copy.used.update(name for names in groups.values() for name in names)
    return dict(groups)


def _absent(tables: Mapping[str, ClassTable]) -> list[str]:
    return [
        file
        for split, file in {"train": "train.csv", "valid": "val.csv", "test": "test.csv"}.items()
        if split not in tables
    ]


def _labels(copy: Copy, table: ClassTable, class_of: Callable[[str], str | None]) -> dict[str, str]:
    """Label -> class. Raises UserError if one label would be two classes."""
    found: dict[str, str] = {}
    known = any(class_of(label) == label or WNID.fullmatch(label) for _, label in table.rows)
    for file, label in table.rows:
        name = label if known else class_of(f"{label}/{file}") or label
        if found.setdefault(label, name) != name:
            raise UserError(
                f"{copy.path}: {table.name}: label {label} is {found[label]} and {name}: get the tables again"
            )
    if len(set(found.values())) < len(found):
        raise UserError(f"{copy.path}: {table.name}: two labels are one class: get the tables again")
    return found


class ImagePlaces:
    """Image files indexed by their names, to look up the rows of tables."""

    def __init__(self, where: Path, images: Iterable[str]) -> None:
        self._where, self._places, self._stems = where, defaultdict(list), defaultdict(list)
        for name in images:
            self._places[name.rpartition("/")[2]].append(name)
            self._stems[_stem(name.rpartition("/")[2])].append(name)

    def of(self, row: str, label: str) -> str | None:
        """The image file of a row: the one with this name or, if there is none, with this name and another suffix; if
        there are several, the one whose path ends like the row's, or that is in the class's folder. Raises UserError if
        several remain."""
        file = row.rpartition("/")[2]
        same = self._places.get(file) or self._stems.get(_stem(file), [])
        for ending in (row, f"{label}/{file}"):
            alike = [name for name in same if f"/{_stem(name)}".endswith(f"/{_stem(ending)}")]
            same = alike or same if len(same) > 1 else same
        if len(same) > 1 and file != row:
            return None  # the row names a file in a folder that does not exist
        if len(same) > 1:
            raise UserError(f"{self._where}: {file} is in it twice ({some(same, 2)}): keep one of each")
        return same[0] if same else None


def _stem(file: str) -> str:
    """The name without the suffix of an image file."""
    head, dot, suffix = file.rpartition(".")
    return head if f"{dot}{suffix}".lower() in IMAGES else file


def _check_met(copy: Copy, tables: Mapping[str, ClassTable], images: Sequence[str], groups: Groups) -> None:
    """Raises UserError if no row of any table has its file."""
    table = max(tables.values(), key=lambda table: len(table.rows))
    if table.rows and not any(groups.values()):
        raise UserError(
            f"{copy.path}: {table.name} lists {quantity(len(table.rows), 'image')} (first {table.rows[0][0]}), but "
            f"none is among its {quantity(len(images), 'image file')} (first {images[0]}): give both from the same copy"
        )


def by_paths(
    copy: Copy,
    class_of: Callable[[str], str | None],
    expected: Mapping[str, str],
    suffixes: tuple[str, ...] = IMAGES,
    halves: bool = False,
) -> Groups:
    """The classes by the folder of each image, or by its own name; the split is the one in `expected`, unless folders
    such as `train/` and `meta-val/` above the classes define it. If two folders have the same class, one is read.
    `halves`: `train/` and `test/` may hold parts of the images of every class, and are then not splits."""
    trees: dict[str, Groups] = defaultdict(lambda: defaultdict(list))
    images = copy.with_suffix(*suffixes)
    for name in images:
        if found := class_of(name):
            tree, said = _above(name, class_of)
            trees[tree][said, found].append(name)
    groups: Groups = {}
    for tree in sorted(trees, key=lambda tree: (-len(trees[tree]), not any(s for s, _ in trees[tree]), len(tree))):
        _add_tree(copy, groups, trees[tree], tree)
    if halves and in_two_splits(groups) and {split for split, _ in groups} == {"train", "test"}:
        groups = {("", c): [*groups.get(("train", c), []), *groups.get(("test", c), [])] for _, c in groups}
    _check_splits(copy, groups)
    splits = {split for split, _ in groups}
    groups = {(split if split and len(splits) > 1 else expected[c], c): names for (split, c), names in groups.items()}
    copy.used.update(name for names in groups.values() for name in names)
    if groups and (lost := [name for name in images if class_of(name) is None]):
        if other := this_is(class_folders(images), copy.path):
            raise UserError(f"{copy.path}: {other}")
        copy.notes.append(f"left out: {quantity(len(lost), 'image')} outside the class folders (first {lost[0]})")
    return groups


def _above(name: str, class_of: Callable[[str], str | None]) -> tuple[str, str]:
    """The path above the folders of splits, or else of classes, on the way to an image; and the split that the lowest
    split folder names: `train`, `valid`, `test`, `phase` (other images of training classes), or nothing."""
    parts = PurePosixPath(name).parts[:-1]
    for place in range(len(parts) - 1, -1, -1):
        if said := split_of(parts[place]) or ("phase" if is_phase(parts[place]) else ""):
            return "/".join(parts[:place]), said
    place = next((k for k in range(len(parts) - 1, -1, -1) if class_of(parts[k])), len(parts))
    return "/".join(parts[:place]), ""


def _add_tree(copy: Copy, groups: Groups, tree: Groups, name: str) -> None:
    """Adds classes that are not there yet, and notes what is left out, and why."""
    phases = {c for split, c in tree if split == "phase"}
    if phases:
        copy.notes.append(f"left out: other images of {len(phases)} training classes (parts such as train_val)")
    tree = {key: names for key, names in tree.items() if key[0] != "phase"}
    taken = {c for _, c in groups}
    if any(c in taken for _, c in tree):
        copy.notes.append(f"not read: class folders in {name or 'the folder itself'} that are elsewhere too")
    if PurePosixPath(name).name in HALVES:
        copy.notes.append(f"{PurePosixPath(name).name}/ is not used as a split: the classes are split as published")
    groups.update({key: names for key, names in tree.items() if key[1] not in taken})


def _check_splits(copy: Copy, groups: Groups) -> None:
    """Raises UserError if a class is in the folders of two splits."""
    if twice := in_two_splits(groups):
        raise UserError(
            f"{copy.path}: {len(twice)} classes ({some(twice)}) are in the folders of two splits: that is a split of "
            "images, for classification, and not of classes: move all images of a class into one folder, PATH/CLASS/"
        )


def class_by_folder(known: Mapping[str, str], prefix: int | None = None) -> Callable[[str], str | None]:
    """A function that finds the class in a path: the last folder, or the file, whose name is a key of `known`;
    otherwise, if files are named after their classes, the key that the first `prefix` letters of the file's name
    form."""

    def class_of(path: str) -> str | None:
        parts = path.split("/")
        named = next((known[part] for part in reversed(parts) if part in known), None)
        return named or (known.get(parts[-1][:prefix]) if prefix else None)

    return class_of
