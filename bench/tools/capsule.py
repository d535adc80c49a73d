"""Exports and imports runs as one archive of records, weights and versions; an import checks it and executes nothing.

    capsule.json           the format, the exporting version, each run's command, and the SHA-256 of every file
    requirements.txt       every package that was installed in the exporting environment
    runs/<benchmark>/<method>/<hash>/seed<k>/...      the record folders, laid out as in the results

The archive is not compressed and contains no timestamps, so equal content gives equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from operator import methodcaller
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench import files, provenance, records
from bench.data.readers import archives
from bench.errors import UserError, command_line
from bench.records import layout

FORMAT = 1
MANIFEST, LOCK = "capsule.json", "requirements.txt"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"
_RUN = re.compile(rf"{_NAME}/{_NAME}/[0-9a-f]{{8}}/seed\d{{1,10}}", re.ASCII)
_FILE = re.compile(
    r"record\.json|curve\.parquet|(best|optimiser|weights|weights@\d{1,10})\.safetensors"
    r"|evaluations/[0-9a-f]{8}@\d{1,10}\.(json|parquet)",
    re.ASCII,
)
_UNPACKED = ".import-"  # prefix of the folder in which a capsule's runs are unpacked until all are checked
_TIME = (1980, 1, 1, 0, 0, 0)  # of every file: the earliest time that a zip archive can store


def export(folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """Writes finished and diverged runs into one archive; returns its manifest. Raises UserError."""
    if out.exists():
        raise UserError(f"{out} exists: give another name, or remove it")
    content, runs = {LOCK: ("\n".join(provenance.lock()) + "\n").encode()}, {}
    for folder in folders:
        record = _check_run(folder)
        if record.name in runs:
            raise UserError(f"{record.name} is given twice: a capsule holds one run of each name")
        runs[record.name] = _facts(record)
        content |= {f"runs/{record.name}/{name}": archives.read_file(folder / name) for name in _files_of(record)}
    manifest = {"format": FORMAT, "exported": provenance.describe(), "runs": runs, "files": _sums(content)}
    content[MANIFEST] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    files.write_atomically(out, lambda path: _write(path, content))
    return manifest


def bring_in(path: Path, results: Path) -> dict[str, str]:
    """Imports the runs of an archive into `results`. Returns name -> `imported`, or `already there` if the same run
    exists. Raises UserError, and imports nothing, if the archive contains anything that `export` does not write, or if
    one of its runs exists in another state."""
    content = archives.read_stored(path)
    runs = _read_listing(path, content)
    try:
        results.mkdir(parents=True, exist_ok=True)
        with (
            FileLock(results / ".import.lock", timeout=0),
            tempfile.TemporaryDirectory(dir=results, prefix=_UNPACKED) as temporary,
        ):
            for left in results.glob(f"{_UNPACKED}*"):
                if left != Path(temporary):  # left by an import that was killed: a running one holds the lock
                    shutil.rmtree(left)
            for name, sums in runs.items():
                _unpack(path, Path(temporary) / name, {file: content[f"runs/{name}/{file}"] for file in sums})
            there = {name: _is_there(results / name, sums) for name, sums in runs.items()}
            for name in runs:
                if not there[name]:
                    (results / name).parent.mkdir(parents=True, exist_ok=True)
                    os.rename(Path(temporary) / name, results / name)
    except Timeout:
        raise UserError(f"{results}: another import is running there: try again when it has ended") from None
    except OSError as error:
        raise UserError(f"cannot write {error.filename or results}: {error.strerror or error}") from error
    return {name: "already there" if there[name] else "imported" for name in runs}


def _facts(record: records.Record) -> dict[str, Any]:
    """The facts that a reader of the archive needs first; the rest is in the record."""
    info = record.info
    verify = command_line("verify", record.name, *records.method_options([info]))
    scored = {layout.evaluation_stem(e.evaluation, e.iteration): e.info["episodes_digest"] for e in record.evaluations}
    return {
        "commands": {"made by": info.get("command", ""), "verify": verify},
        "protocol": {"preset": info["preset"], "training_hash": info["training_hash"]},
        "data": info["data"],
        "episodes_digest": info.get("episodes_digest", {}) | {"test": scored},
        "commit": info["environment"].get("commit"),
    }


def _check_run(folder: Path) -> records.Record:
    """A complete record whose files all match their checksums. Raises UserError."""
    from bench.records import weights  # imports torch, which takes seconds: not to report that a file is missing

    record = records.read(folder)
    if record.status not in ("finished", "diverged"):
        raise UserError(f"{record.name} is {record.status}: only finished or diverged runs can be exported")
    for name in record.info["files"]:
        path = records.checked_path(folder, name, record.info["files"])
        if path.suffix == ".safetensors":
            weights.load(path)
    return record


def _files_of(record: records.Record) -> list[str]:
    stems = [layout.evaluation_stem(each.evaluation, each.iteration) for each in record.evaluations]
    scores = [f"evaluations/{stem}{suffix}" for stem in stems for suffix in (".json", ".parquet")]
    return sorted([layout.RECORD, *record.info["files"], *scores])


def _sums(content: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}


def _write(path: Path, content: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(content):
            member = zipfile.ZipInfo(name, _TIME)
            member.create_system, member.external_attr = 3, 0o100644 << 16  # a regular Unix file, on any platform
            archive.writestr(member, content[name])


def _read_listing(path: Path, content: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """Run -> file -> SHA-256, after checking that every file is one that `export` writes and matches the manifest.
    Raises UserError."""
    manifest = _manifest(path, content)
    found = _sums({name: data for name, data in content.items() if name != MANIFEST})
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
        record = _check_run(folder)
        if (record.benchmark, record.method) != folder.parts[-4:-2] or set(_files_of(record)) != content.keys():
            raise UserError("it does not match its folder, or has files that its record does not list")
    except UserError as error:
        reason = str(error).replace(f"{folder}/", "")
        raise UserError(f"{path}: {layout.run_name(folder)}: {reason}") from error


def _is_there(folder: Path, sums: Mapping[str, str]) -> bool:
    """Whether this run exists already, perhaps with more evaluations. Raises UserError if it does in another state."""
    if not folder.exists():
        return False
    for name, expected in sorted(sums.items()):
        if not (folder / name).is_file() or files.sha256(folder / name) != expected:
            how = "differs" if (folder / name).is_file() else "is not there"
            raise UserError(
                f"{folder}: this run is there, in another state ({name} {how}), and is not changed: import into "
                "another folder with --results"
            )
    return True
