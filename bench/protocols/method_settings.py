"""What `--set` changes in the protocol of one method, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields

from bench.protocols.protocol import Evaluation, Protocol, Training
from bench.protocols.settings import with_settings
from bench.protocols.usage import uses

_PLAIN = Protocol(Training(), Evaluation())


def with_used_settings(preset: Protocol, settings: Iterable[str], used: Collection[str]) -> Protocol:
    """The preset as a method that uses these settings is run under it, with `name=value` changes: what the method does
    not use stays as it was, and so does its runs' hash. Raises UserError."""
    return with_settings(preset, [text for text in settings if moves(text, used)])


def moves(setting: str, used: Collection[str]) -> bool:
    """Whether `name=value` is of a setting that a method uses, or says that it has none of it (`inner_batch=none`)."""
    return uses(used, _name(setting)) or _says_without(setting)


def _name(setting: str) -> str:
    return setting.partition("=")[0].removeprefix("evaluation.")


def _says_without(setting: str) -> bool:
    """A setting that came later has what is done without it for a default."""
    later = {f.name for part in (Training, Evaluation) for f in fields(part) if f.metadata["later"]}
    return _name(setting) in later and with_settings(_PLAIN, [setting]) == _PLAIN
