"""Imports the runs of a capsule: an import checks it and executes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from operator import methodcaller
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench import files, records
from bench.data.readers import archives
from bench.errors import UserError, quantity
from bench.records import layout, locks
from bench.tools.capsule.contents import FORMAT, LOCK, MANIFEST, check_run, checksums, files_of

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"
_RUN = re.compile(rf"{_NAME}/{_NAME}/[0-9a-f]{{8}}/seed\d{{1,10}}", re.ASCII)
_FILE = re.compile(
    r"record\.json|curve\.parquet|(best|optimiser|weights|weights@\d{1,10})\.safetensors"
    r"|evaluations/[0-9a-f]{8}@\d{1,10}\.(json|parquet)",
    re.ASCII,
)
_UNPACKED = ".import-"  # prefix of the folder in which a capsule's runs are unpacked until all are checked


def bring_in(path: Path, results: Path) -> dict[str, str]:
    """Imports the runs of an archive into `results`. Returns name -> what was done. A run that is there already gets
    the evaluations that it lacks. Raises UserError, and imports nothing, if the archive contains anything that `export`
    does not write, or if one of its runs exists in another state or another process works on it."""
    content = archives.read_stored(path)
    runs = _read_listing(path, content)
    try:
        results.mkdir(parents=True, exist_ok=True)
        with (
            FileLock(results / ".import.lock", timeout=0),
            tempfile.TemporaryDirectory(dir=results, prefix=_UNPACKED) as temporary,
            ExitStack() as locked,
        ):
            for left in results.glob(f"{_UNPACKED}*"):
                if left != Path(temporary):  # left by an import that was killed: a running one holds the lock
                    shutil.rmtree(left)
            for name, sums in runs.items():
                _unpack(path, Path(temporary) / name, {file: content[f"runs/{name}/{file}"] for file in sums})
            for folder in (results / name for name in runs):
                if folder.exists():  # all of them before the first is changed: an import is whole, or does nothing
                    locked.enter_context(locks.lock(folder))
            lacking = {name: _lacking(results / name, sums) for name, sums in runs.items()}
            return {name: _move(Path(temporary) / name, results / name, lacking[name]) for name in runs}
    except Timeout:
        raise UserError(f"{results}: another import is running there: try again when it has ended") from None
    except locks.Busy as busy:
        raise UserError(f"another process is training or evaluating {busy}: try again later") from None
    except OSError as error:
        raise UserError(f"cannot write {error.filename or results}: {error.strerror or error}") from error


def _read_listing(path: Path, content: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """Run -> file -> SHA-256, after checking that every file is one that `export` writes and matches the manifest.
    Raises UserError."""
    manifest = _manifest(path, content)
    found = checksums({name: data for name, data in content.items() if name != MANIFEST})
    if wrong := sorted(name for name in found.keys() | manifest.keys() if found.get(name) != manifest.get(name)):
        raise UserError(f"{path}: {wrong[0]} does not match {MANIFEST}: get the file again")
    runs: dict[str, dict[str, str]] = {}
    for name in found.keys() - {LOCK}:
        run, file = _run_and_path(path, name)
        runs.setdefault(run, {})[file] = found[name]
    if not runs or len({run.casefold() for run in runs}) < len(runs):
        raise UserError(f"{path}: it holds no run, or two of one name")
    return dict(sorted(runs.items()))


def _manifest(path: Path, content: Mapping[str, bytes]) -> dict[str, Any]:
    """The checksums in the manifest."""
    try:
        manifest = json.loads(content[MANIFEST])
        newer, sums = manifest["format"] > FORMAT, dict(manifest["files"])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: not a capsule: its {MANIFEST} is missing or damaged") from error
    if newer:
        raise UserError(f"{path}: written by a newer version (format {manifest['format']}; this reads up to {FORMAT})")
    return sums


def _run_and_path(path: Path, name: str) -> tuple[str, str]:
    """The run that a member belongs to, and its path there. Raises UserError if a run has no such file."""
    top, _, rest = name.partition("/")
    parts = rest.split("/")
    run, file = "/".join(parts[:4]), "/".join(parts[4:])
    if top != "runs" or not _RUN.fullmatch(run) or not _FILE.fullmatch(file):
        raise UserError(f"{path}: refused, because {name[:200]!r} is not a file of a run")
    return run, file


def _unpack(path: Path, folder: Path, content: Mapping[str, bytes]) -> None:
    """Writes one run, and reads it back as every command does. Raises UserError if it is not valid."""
    for name, data in content.items():
        files.write_atomically(folder / name, methodcaller("write_bytes", data))
    try:
        if not records.read_info(folder)["files"].keys() <= content.keys():  # before any of them is opened
            raise UserError("files that its record lists are missing")
        record = check_run(folder)
        if (record.benchmark, record.method) != folder.parts[-4:-2] or set(files_of(record)) != content.keys():
            raise UserError("it does not match its folder, or has files that its record does not list")
    except UserError as error:
        reason = str(error).replace(f"{folder}/", "")
        raise UserError(f"{path}: {layout.run_name(folder)}: {reason}") from error


def _lacking(folder: Path, sums: Mapping[str, str]) -> list[str]:
    """The files of a run that are not there yet: all, those of some evaluations, or none. Raises UserError if the run
    is there in another state."""
    if not folder.exists():
        return sorted(sums)
    lacking = [name for name in sorted(sums) if not (folder / name).is_file()]
    differ = [name for name in sorted(sums.keys() - set(lacking)) if files.sha256(folder / name) != sums[name]]
    wrong = [f"{name} is not there" for name in lacking if not name.startswith("evaluations/")]
    wrong += [f"{name} differs" for name in differ]
    if wrong:
        raise UserError(
            f"{folder}: this run is there, in another state ({wrong[0]}), and is not changed: import into another "
            "folder with --results"
        )
    return lacking


def _move(unpacked: Path, folder: Path, lacking: Sequence[str]) -> str:
    """Moves a run, or the evaluations that it lacks, to its place. Returns what was done."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.rename(unpacked, folder)
        return "imported"
    for name in sorted(lacking, key=lambda name: name.endswith(".json")):  # the scores before their description
        (folder / name).parent.mkdir(exist_ok=True)
        os.rename(unpacked / name, folder / name)
    added = sum(name.endswith(".json") for name in lacking)
    return f"already there; {quantity(added, 'evaluation')} added" if lacking else "already there"
