"""What is said of a copy that is in no known form: what lies there, the form it is nearest to, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.data.readers.copies import Copy, found, found_folders
from bench.errors import UserError

_NAMED = "use a copy that has the names: mini-imagenet-cache-*.pkl, or images with tables"
_IMAGES = "give the images that it was made of, in a folder per class, PATH/CLASS/"

# What identifies a form that is not read, by the name of a file; what that file is one of; what to do.
FOREIGN = (
    (r"\.tfrecords?$", "Meta-Dataset's records", _IMAGES),
    (r"\.cls$", "the labels in shards of WebDataset", "unpack them, and sort the images into a folder per class"),
    (
        r"mini_imagenet_(train|val|test)\.pickle$",
        "the pickles of few-shot-gnn and EGNN, without names of classes",
        _NAMED,
    ),
    (r"\.(pt|pth)$", "torch.save's files, which are programs", _IMAGES),
    (r"\.(npz|npy)$", "the NumPy files in which the classes have no names", _IMAGES),
    (r"\.parquet$", "the Parquet tables without names of classes", _NAMED),
    (r"\.mat$", "MATLAB's files", _IMAGES),
    (
        r"\.(pkl|pickle|hdf5|h5)$",
        "the pickles or HDF5 files of another form",
        "use a copy in one of the accepted forms",
    ),
)
PACKED = re.compile(r"\.(zip|tar|tgz|txz|tar\.(gz|xz|bz2))$", re.IGNORECASE)


def refused(copy: Copy, called: str, accepted: str, hint: str = "") -> UserError:
    """`called`: the data set; `accepted`: its forms, in words; `hint`: what this copy lacks of one, if that is
    known."""
    there = found_folders(copy.names)
    lies = f"found {found(copy.names)}{f', in {there}' if there else ''}"
    step = hint or _a_single_file(copy) or _foreign(copy.names)
    forms = "`python -m bench data add --help` lists the forms" if step else f"accepted: {accepted}"
    return UserError(f"{copy.path}: no {called} there: {step}{lies}; {forms}")


def _a_single_file(copy: Copy) -> str:
    if copy.path.is_file() and re.search(r"\.(pkl|pickle|hdf5|h5|csv|json|parquet)$", copy.path.name, re.IGNORECASE):
        return "one file is no copy: give the folder in which the files of all splits lie; "
    return ""


def _foreign(names: Sequence[str]) -> str:
    for pattern, whose, step in FOREIGN:
        if first := next((name for name in names if re.search(pattern, name, re.IGNORECASE)), None):
            return f"{first} is one of {whose}: {step}; "
    return ""


def no_images(copy: Copy, accepted: str) -> UserError:
    """For a user's own images, where there are none."""
    archive = next((name for name in copy.names if PACKED.search(name)), "")
    step = f"{archive} has to be unpacked first; " if archive else ""
    other = "" if step else "what is there is none that is read as a user's own: export its images; "
    return UserError(f"{copy.path}: no image there: {step or other}found {found(copy.names)}; accepted: {accepted}")


def packed_data(copy: Copy) -> str:
    """What to do where an archive holds pickles or HDF5, which are only read from disk; nothing where none does."""
    inside = next((name for name in copy.names if name not in copy.files and not PACKED.search(name)), None)
    archive = next((name for name in [*copy.names, copy.path.name] if PACKED.search(name)), None)
    if inside is None or archive is None or not inside.lower().endswith((".pkl", ".pickle", ".hdf5", ".h5", ".npz")):
        return ""
    return f"{archive} holds {inside}: unpack it first (`tar xf` or `unzip`) and give the folder; "
