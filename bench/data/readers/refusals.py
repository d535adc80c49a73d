"""Errors for copies in no known form: what was found, the nearest form, and what to do."""

from __future__ import annotations

import re

from bench.data.forms import FORMS
from bench.data.readers.archives import is_archive
from bench.data.readers.copies import IMAGES, Copy, describe_files, describe_folders
from bench.data.readers.recognised import are_of, class_folders, command, example, recognise, recognised_files
from bench.data.splits import some
from bench.errors import UserError, program

_NAMED = "use a copy that has the names: mini-imagenet-cache-*.pkl, or images with tables"
_IMAGES = "give the images that it was made from, one folder per class, PATH/CLASS/"

_PACKED = r"\.(zip|tar|tgz|txz|tbz2|tar\.(gz|xz|bz2))$"
_UNFINISHED = r"\.(part|crdownload|download|aria2|partial)$"
_NOT_OPENED = r"\.(rar|7z|zst|lz4|zip\.[0-9]+|z[0-9]+|(pkl|pickle|csv|npz|hdf5)\.(gz|bz2|xz))$"
# Forms that are not supported: a pattern for file names, what such a file is one of, and what to do.
FOREIGN = (
    (_UNFINISHED, "the files of an unfinished download", "let it finish, or get it again"),
    (_NOT_OPENED, "the packed files that cannot be opened here", "unpack it first, and give the folder"),
    (r"\.tfrecords?$", "Meta-Dataset's records", _IMAGES),
    (r"cifar-10-batches|batches\.meta$", "the files of CIFAR-10, another data set", "give cifar-100-python"),
    (r"\.bin$", "the files of CIFAR-100 in its binary version", "give the one for Python, cifar-100-python"),
    (r"\.cls$", "the labels in shards of WebDataset", "unpack them, and sort the images into one folder per class"),
    (
        r"mini_imagenet_(train|val|test)\.pickle$",
        "the pickles of few-shot-gnn and EGNN, which lack the names of the classes",
        _NAMED,
    ),
    (r"\.(pt|pth)$", "torch.save's files, which are programs", _IMAGES),
    (r"\.(npz|npy)$", "the NumPy files without class names", _IMAGES),
    (r"\.mat$", "MATLAB's files", _IMAGES),
    (
        r"\.(hdf5|h5)$",
        "the HDF5 files with other names than torchmeta's",
        "if they hold one array per class, rename them to train_data.hdf5, val_data.hdf5 and test_data.hdf5 (for "
        "CIFAR-100 and Omniglot, one file data.hdf5)",
    ),
    (
        r"\.(pkl|pickle|parquet)$",
        "the pickles or Parquet tables of another form, or without one file per split",
        "name the files by their splits (train, val, test), or use a copy in one of the accepted forms",
    ),
    (r"\.(bmp|webp|tiff?|gif|ppm)$", "the images in formats that no known data set uses", "save them as PNG"),
    (
        _PACKED,
        "the archives that are not opened, because they are inside another one or too deep",
        "unpack it first (`tar xf` or `unzip`), and give the folder",
    ),
)


def unknown_form_error(copy: Copy, called: str, source: str, hint: str = "") -> UserError:
    """The error for an unknown form. `called`: name of the data set; `source`: its name for `data add`; `hint`: what
    this copy lacks, if that is known."""
    there = describe_folders(copy.names)
    lies = f"found {describe_files(copy.names)}{f', in {there}' if there else ''}"
    step = (
        hint
        or _other_data_set_hint(copy, source)
        or _a_single_file(copy)
        or _foreign(copy)
        or _folder_names_hint(copy, source)
    )
    forms = f"`{program()} data add --help` lists the forms" if step else f"accepted: {FORMS[source]}"
    return UserError(f"{copy.path}: no {called} in it: {step}{lies}; {forms}")


def _folder_names_hint(copy: Copy, source: str) -> str:
    """A remark that the folders of the images do not have the names of classes."""
    folders = [name for name in class_folders(copy.with_suffix(*IMAGES)) if name]
    return f"its folders ({some(folders)}) do not have the names of classes ({example(source)}): " if folders else ""


def _a_single_file(copy: Copy) -> str:
    if copy.path.is_file() and not is_archive(copy.path) and not _is(f"{_UNFINISHED}|{_NOT_OPENED}", copy.path.name):
        return "one file is not a full copy: give the folder that holds the files of all splits; "
    return ""


def _other_data_set_hint(copy: Copy, source: str) -> str:
    """A remark that folders or files have the names of another known data set, if they do."""
    images = copy.with_suffix(*IMAGES)
    folders = class_folders(images)
    others = recognise(folders) or recognise({"/".join(name.split("/")[-3:-1]) for name in images})
    if others and source not in [known.source for known in others]:
        return f"{are_of(folders, others)}: {command(others, copy.path)}; "
    others = recognised_files(copy.names)
    if others and source not in [known.source for known in others]:
        return f"it holds files of {' or '.join(known.called for known in others)}: {command(others, copy.path)}; "
    return ""


def _foreign(copy: Copy) -> str:
    names = [name for name in copy.names if name not in copy.used]
    for pattern, whose, step in FOREIGN:
        if first := next((name for name in names if _is(pattern, name)), None):
            return f"{first} is one of {whose}: {step}; "
    return ""


def _is(pattern: str, name: str) -> bool:
    return re.search(pattern, name, re.IGNORECASE) is not None


def no_images(copy: Copy, accepted: str) -> UserError:
    """The error for a user's own data without images."""
    archive = next((name for name in copy.names if _is(_PACKED, name)), "")
    step = f"unpack {archive} first; " if archive else ""
    other = "" if step else "these files are not read as a data set of your own: export their images; "
    return UserError(
        f"{copy.path}: no image in it: {step or other}found {describe_files(copy.names)}; accepted: {accepted}"
    )
