"""What a capsule holds: records, weights and versions, in one archive.

    capsule.json           the format, the exporting version, each run's command, and the SHA-256 of every file
    requirements.txt       every package that was installed in the exporting environment
    runs/<benchmark>/<method>/<hash>/seed<k>/...      the record folders, laid out as in the results

The archive is not compressed and contains no timestamps, so equal content gives equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from bench import records
from bench.errors import UserError
from bench.records import layout

FORMAT = 1
MANIFEST, LOCK = "capsule.json", "requirements.txt"


def check_run(folder: Path) -> records.Record:
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


def files_of(record: records.Record) -> list[str]:
    """The names of the files that belong to a record, in its folder."""
    stems = [layout.evaluation_stem(each.evaluation, each.iteration) for each in record.evaluations]
    scores = [f"evaluations/{stem}{suffix}" for stem in stems for suffix in (".json", ".parquet")]
    return sorted([layout.RECORD, *record.info["files"], *scores])


def checksums(content: Mapping[str, bytes]) -> dict[str, str]:
    """Name -> SHA-256 of the content."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
