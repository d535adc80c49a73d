"""Which fields the JSON files of a record must have, and which they may have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import files
from bench.errors import UserError
from bench.files import Unreadable, is_sealed, read_json

FORMAT = 1

# The fields that every record must have.
OF_RECORD: dict[str, type] = {
    "benchmark": str,
    "method": str,
    "seed": int,
    "preset": str,
    "training": dict,
    "training_hash": str,
    "status": str,
    "iteration": int,
    "best_iteration": int,
    "data": dict,
    "data.name": str,
    "data.digest": str,
    "data.partial": bool,
    "environment": dict,
    "execution": dict,
    "files": dict,
}
# Optional fields, whose types are checked if they are present.
OPTIONAL: dict[str, type] = {
    "data.known_as": str,
    "data.remarks": list,
    "diverged_at": int,
    "environment.packages": dict,
    "command": str,
    "weights_of": str,
    "settings": list,
    "code": dict,
    "code.file": str,
    "code.sha256": str,
    "resumed": list,
    "continued": dict,
    "best_score": float,
    "execution.seeds": list,
}
OF_EVALUATION: dict[str, type] = {
    "evaluation": dict,
    "iteration": int,
    "step": int,
    "episodes_digest": str,
    "sha256": str,
}
OPTIONAL_OF_EVALUATION: dict[str, type] = {"settings": list}
_LARGEST = 2**53  # integers are exact up to here, also as floating-point numbers


class Corrupt(UserError):
    """A record that cannot be trusted; the message is one line and names the file."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; `run --force` runs it again")


def checked_json(path: Path, shape: dict[str, type], optional: dict[str, type] | None = None) -> dict[str, Any]:
    """The object in this JSON file, with its fields (by dotted names) checked against these types. Raises Corrupt."""
    try:
        value = read_json(path)
    except Unreadable as error:
        raise Corrupt(f"{path}: {error}") from error
    if not isinstance(value, dict) or type(value.get("format")) is not int:
        raise Corrupt(f"{path}: not a record")
    if value["format"] > FORMAT:
        raise Corrupt(
            f"{path}: written by a newer version (format {value['format']}; this version reads up to {FORMAT})"
        )
    for name, kind in (shape | (optional or {})).items():
        found = _at(value, name)
        unseen = name in shape and isinstance(found, str) and not found.isprintable()  # required fields are plain text
        if unseen or not (_is_a(found, kind) or (found is None and name not in shape)):
            raise Corrupt(f"{path}: {name} is missing or has the wrong type")
    return value


def check_seal(path: Path, info: dict[str, Any]) -> None:
    """Raises Corrupt if the content was changed. Called last, because the other checks give clearer messages."""
    if not is_sealed(info):
        raise Corrupt(f"{path}: damaged or edited: its content does not match its {files.SUM}")


def _is_a(value: Any, kind: type) -> bool:
    if kind is int:
        return type(value) is int and 0 <= value <= _LARGEST
    return type(value) is kind


def _at(value: Any, name: str) -> Any:
    """The field with this dotted name, or None."""
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
