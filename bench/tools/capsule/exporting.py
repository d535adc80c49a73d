"""Exports runs as a capsule."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import files, provenance, records
from bench.data.readers import archives
from bench.errors import UserError, command_line
from bench.records import layout
from bench.tools.capsule.contents import FORMAT, LOCK, MANIFEST, check_run, checksums, files_of

_TIME = (1980, 1, 1, 0, 0, 0)  # of every file: the earliest time that a zip archive can store


def export(folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """Writes finished and diverged runs into one archive; returns its manifest. Raises UserError."""
    if out.exists():
        raise UserError(f"{out} exists: give another name, or remove it")
    content, runs = {LOCK: ("\n".join(provenance.lock()) + "\n").encode()}, {}
    for folder in folders:
        record = check_run(folder)
        if record.name in runs:
            raise UserError(f"{record.name} is given twice: a capsule holds one run of each name")
        runs[record.name] = _facts(record)
        content |= {f"runs/{record.name}/{name}": archives.read_file(folder / name) for name in files_of(record)}
    manifest = {"format": FORMAT, "exported": provenance.describe(), "runs": runs, "files": checksums(content)}
    content[MANIFEST] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    files.write_atomically(out, lambda path: write(path, content))
    return manifest


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


def write(path: Path, content: Mapping[str, bytes]) -> None:
    """Writes the files into an archive, in the order of their names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(content):
            member = zipfile.ZipInfo(name, _TIME)
            member.create_system, member.external_attr = 3, 0o100644 << 16  # a regular Unix file, on any platform
            archive.writestr(member, content[name])
