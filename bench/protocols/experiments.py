"""A whole experiment as one TOML file: blocks of benchmarks, methods and seeds, each under one protocol.

    about = "what it is for"            # optional; keys above the first [[run]] apply to all of them
    seeds = 5                           # 0 .. 4, or a list such as [0, 7]

    [[run]]
    benchmarks = ["omniglot-5w1s"]
    methods = ["maml", "fomaml"]
    protocol = "paper"
    set = { iterations = 2000, inner_lr = [0.1, 0.4], "evaluation.episodes" = 200 }   # a list is a grid

The files in `shipped/` come with the project, and are chosen by name.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown_name
from bench.protocols import presets, protocol, settings
from bench.protocols.benchmarks import Benchmark
from bench.protocols.experiment_values import KEYS
from bench.protocols.method_settings import with_used_settings

SHIPPED = Path(__file__).with_name("shipped")
_MOST_BYTES = 1 << 16
_SYNTAX = re.compile(r"(.*) \(at line (\d+), column \d+\)", re.DOTALL)


@dataclass(frozen=True)
class RunBlock:
    """One `[[run]]`: every benchmark x method x seed. `settings` are `name=value`, as for `--set`; `grid`: the settings
    with several values to try; `number`: its index in the file, from 0."""

    number: int
    benchmarks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    protocol: str
    settings: tuple[str, ...] = ()
    grid: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def candidates(self) -> tuple[RunBlock, ...]:
        """The block with each combination of the grid's values; the block itself without a grid."""
        tried = product(*([f"{name}={value}" for value in values] for name, values in self.grid))
        return tuple(replace(self, settings=(*self.settings, *values), grid=()) for values in tried)

    @property
    def tried(self) -> tuple[str, ...]:
        """Each combination of the grid's values, such as `inner_lr=0.1, inner_steps=5`; empty without a grid."""
        own = len(self.settings)
        return tuple(", ".join(each.settings[own:]) for each in self.candidates) if self.grid else ()


@dataclass(frozen=True)
class Experiment:
    """The content of a file, as text and parsed."""

    path: Path
    text: str = field(repr=False)
    about: str
    blocks: tuple[RunBlock, ...]

    @property
    def name(self) -> str:
        """The name of its file, without suffix."""
        return self.path.stem

    @property
    def kept(self) -> dict[str, str]:
        """What the record of a run stores about the experiment."""
        return {"name": self.name, "digest": hashlib.sha256(self.text.encode()).hexdigest(), "content": self.text}

    def protocol_of(
        self, block: RunBlock, benchmark: Benchmark, used: Collection[str] = protocol.OF_SOME_METHODS
    ) -> protocol.Protocol:
        """The protocol for a method that uses these settings, in a block without a grid. Raises UserError with the
        position of the error in the file."""
        with self.at(block, "protocol"):
            preset = presets.preset(block.protocol, benchmark, used)
        for setting in block.settings:
            with self.at(block, setting.partition("=")[0]):
                settings.with_settings(preset, [setting])
        with self.at(block):
            return with_used_settings(preset, block.settings, used)

    @contextmanager
    def at(self, block: RunBlock, key: str = "") -> Iterator[None]:
        """Context manager that adds file, run and key to the message of a UserError."""
        try:
            yield
        except UserError as error:
            raise _wrong(self.path, block.number, key, error) from error


def shipped_experiments() -> dict[str, Path]:
    """Name -> file of the experiments that are part of the project."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def read(name: str) -> Experiment:
    """The experiment in a file, or the built-in one with this name. Raises UserError, with the position in the file, if
    it is malformed; whether its names exist is checked elsewhere."""
    path = Path(name)
    if not path.is_file():
        path = _shipped_file(name)
    text = _text(path)
    values = _parse(path, text)
    blocks = values.pop("run", None)
    about = values.pop("about", "")
    if not isinstance(about, str) or not about.isprintable():
        raise UserError(f"{path}: about must be one line of text")
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        raise UserError(f"{path}: no [[run]] in it: add one for each set of benchmarks, methods and a protocol")
    return Experiment(path, text, about, tuple(_block(path, k, values | b, values) for k, b in enumerate(blocks)))


def _shipped_file(name: str) -> Path:
    if name in shipped_experiments():
        return shipped_experiments()[name]
    if Path(name).name != name or Path(name).suffix:
        raise UserError(f"{name}: no such file: give a TOML file, or one of {', '.join(shipped_experiments())}")
    raise unknown_name("experiment", name, shipped_experiments())


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: more than {_MOST_BYTES >> 10} KiB, too large for an experiment")
        return path.read_text(encoding="utf-8-sig")  # some editors write a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number with too many digits raises ValueError
        found = _SYNTAX.fullmatch(str(error))
        where, what = (f", line {found[2]}", found[1]) if found else ("", str(error))
        raise UserError(f"{path}{where}: not valid TOML: {what}") from error


def _wrong(path: Path, number: int, key: str, message: object) -> UserError:
    return UserError(f"{path}: run {number + 1}{', ' * bool(key)}{key}: {message}")


def _block(path: Path, number: int, values: Mapping[str, Any], common: Mapping[str, Any]) -> RunBlock:
    for key in values:
        if key not in KEYS:
            raise _wrong(path, number, "", unknown_name("key", key, [*KEYS, *(["about"] if key in common else [])]))
    made: dict[str, Any] = {}
    for key, check in KEYS.items():
        if key not in values and key != "set":
            raise _wrong(path, number, "", f"{key} is missing: add it to this [[run]], or above the first")
        try:
            made[key] = check(values.get(key, {}))
        except UserError as error:
            raise _wrong(path, number, key, error) from error
    values = made.pop("set")
    alone = tuple(f"{name}={each[0]}" for name, each in values.items() if len(each) == 1)
    grid = tuple((name, each) for name, each in values.items() if len(each) > 1)
    return RunBlock(number, settings=alone, grid=grid, **made)
