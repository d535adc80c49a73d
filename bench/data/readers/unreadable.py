"""Says why a file or an archive cannot be read."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UserError, reason


def explain_small_file(path: Path) -> str:
    """What a small file is that was saved in place of a large one, and what to do; empty for other files."""
    try:
        with open(path, "rb") as file:
            start = file.read(100).lstrip().lower()
    except OSError:
        return ""
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not the file (the download may ask something first): download it with a browser"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file: get it with `git lfs pull`"
    return ""


def damaged_error(path: Path, error: Exception) -> UserError:
    """The error for an archive that cannot be read."""
    if isinstance(error, RuntimeError):
        return not_opened_error(path, error)
    return UserError(
        f"{path}: {explain_small_file(path) or f'damaged or not an archive ({reason(error)}): get it again'}"
    )


def not_opened_error(path: Path, error: Exception) -> UserError:
    """The error for a zip archive that is encrypted, or compressed in a way that zipfile does not know."""
    return UserError(
        f"{path}: cannot be opened here ({reason(error)}): unpack it with another program and give the folder"
    )
