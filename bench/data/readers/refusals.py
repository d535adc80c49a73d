"""What is said of a copy that is in no known form: what lies there, the form it is nearest to, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.data.readers.copies import Copy, found, found_folders
from bench.errors import UserError

# What identifies a form that is not read, by the names of its files; whose it is; what to do.
FOREIGN = (
    (r"\.tfrecords?$", "Meta-Dataset's records", "export their images into a folder per class, PATH/CLASS/"),
    (r"\.cls$", "the labels in shards of WebDataset", "unpack them, and sort the images by their .cls into a folder per class"),
    (r"mini_imagenet_(train|val|test)\.pickle$", "few-shot-gnn's and EGNN's pickles, whose classes are numbers without "
     "names", "use a copy that has the names: mini-imagenet-cache-*.pkl, or images with tables"),
    (r"\.(pt|pth)$", "torch.save's files, which are programs", "give the images or tables that it was made of"),
    (r"\.(npz|npy)$", "the NumPy files in which the classes have no names", "give the images that they were made of, in a "
     "folder per class"),
    (r"\.parquet$", "the Parquet tables without names of classes", "use a copy that has the names"),
    (r"\.mat$", "MATLAB's files", "give the images in a folder per class"),
    (r"\.(pkl|pickle|hdf5|h5)$", "the pickles or HDF5 files of another form", "use a copy in one of the accepted forms"),
)  # fmt: skip
PACKED = re.compile(r"\.(zip|tar|tgz|txz|tar\.(gz|xz|bz2))$", re.IGNORECASE)


def refused(copy: Copy, called: str, accepted: str, hint: str = "") -> UserError:
    """`called`: the data set; `accepted`: its forms, in words; `hint`: what this copy lacks of one, if that is known."""
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


def packed_data(copy: Copy) -> str:
    """What to do where an archive holds pickles or HDF5, which are only read from disk; nothing where none does."""
    inside = next((name for name in copy.names if name not in copy.files and not PACKED.search(name)), None)
    archive = next((name for name in [*copy.names, copy.path.name] if PACKED.search(name)), None)
    if inside is None or archive is None or not inside.lower().endswith((".pkl", ".pickle", ".hdf5", ".h5", ".npz")):
        return ""
    return f"{archive} holds {inside}: unpack it first (`tar xf` or `unzip`) and give the folder; "
