"""Which changes of `--set` apply to the protocol of a method."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields

from bench.protocols.protocol import Evaluation, Protocol, Training
from bench.protocols.settings import with_settings
from bench.protocols.usage import uses

_PLAIN = Protocol(Training(), Evaluation())


def with_used_settings(preset: Protocol, settings: Iterable[str], used: Collection[str]) -> Protocol:
    """The preset for a method that uses these settings, with `name=value` changes. Settings that the method does not
    use stay unchanged, and so does the hash of its runs. Raises UserError."""
    return with_settings(preset, [text for text in settings if moves(text, used)])


def moves(setting: str, used: Collection[str]) -> bool:
    """Whether `name=value` is a setting that the method uses, or explicitly disables a feature (`inner_batch=none`)."""
    return uses(used, _name(setting)) or _says_without(setting)


def _name(setting: str) -> str:
    return setting.partition("=")[0].removeprefix("evaluation.")


def _says_without(setting: str) -> bool:
    """Whether `name=value` is the default of a setting added later, which means that the feature is not used."""
    later = {f.name for part in (Training, Evaluation) for f in fields(part) if f.metadata["later"]}
    return _name(setting) in later and with_settings(_PLAIN, [setting]) == _PLAIN
