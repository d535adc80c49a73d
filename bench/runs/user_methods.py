"""Methods of users: in a file, or from an installed package.

A file holds one method: the class that its `METHOD` names, or else the only public class defined in it. A package
provides one by an entry point of the group `few_shot_bench.methods`. Code that a record names is never imported."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from dataclasses import dataclass
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.errors import UserError, command_line, kind_and_reason, program, reason, unknown_name
from bench.protocols.known_methods import GROUP, is_file
from bench.runs import hashed_module
from bench.runs.contract_errors import declaration_error, missing
from bench.training.workload import NamedMethod
from methods import METHODS
from methods.contract import Method

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class UserMethod(NamedMethod):
    """`name`: under which its runs are recorded. `sha256`: of its file, which distinguishes trainings with different
    code. `entry`: module and class, if a package provides it."""

    file: Path
    sha256: str
    entry: str = ""

    @property
    def code(self) -> str:
        """The first eight hexadecimal digits of the file's SHA-256."""
        return self.sha256[:8]

    @property
    def about(self) -> dict[str, str]:
        """The fields of a record that describe the file."""
        return {"file": self.file.name, "sha256": self.sha256}

    @property
    def described(self) -> str:
        """The name and the file."""
        return f"{self.name} ({self.file.name}, {self.code})"

    @property
    def kind(self) -> type[Method]:
        """The method's class. Raises UserError if it lacks a part of the contract or declares something outside it."""
        if lacking := missing(self.found):
            raise UserError(f"{self.file}: {self.found.__name__} has no {', '.join(lacking)}: see `{program()} check`")
        if wrong := declaration_error(self.found):
            raise UserError(f"{self.file}: {self.found.__name__}: {wrong}: see `{program()} check`")
        return self.found

    def mistake(self, error: BaseException) -> UserError | None:
        """A UserError that says where in the method's file something went wrong, or which code could not use what it
        returned."""
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = (
            line_in(self.file, error)
            or f" returned something that {Path(last.filename).name}, line {last.lineno}, cannot use"
        )
        said = kind_and_reason(error)
        return UserError(
            f"{self.file}{where}: {said}. `{command_line('check', self.file)}` tries it on a small benchmark"
        )

    @property
    def found(self) -> type:
        """The class in the file or entry point. Raises UserError."""
        return _find_class(self)


def find(asked: str) -> NamedMethod:
    """The method with this name, file or entry point. Raises UserError, with a suggestion."""
    if asked in METHODS:
        return NamedMethod(asked)
    if is_file(asked):
        return _of(Path(asked).stem, Path(asked))
    offered = {entry.name: entry for entry in entry_points(group=GROUP)}
    if asked not in offered:
        raise unknown_name("method", asked, [*METHODS, *offered])
    return _of(asked, _file_of(offered[asked]), offered[asked].value)


def options(method: NamedMethod) -> list[str]:
    """The `--method` option with which another command finds this method; empty for one that it finds by its name."""
    return ["--method", str(method.file)] if isinstance(method, UserMethod) and not method.entry else []


def unhashed(method: NamedMethod) -> str:
    """A remark if the class is defined in another file than the one whose hash identifies the method; empty if not."""
    if not isinstance(method, UserMethod):
        return ""
    module = method.found.__module__
    defined = getattr(sys.modules.get(module), "__file__", None) or method.file
    if Path(defined).resolve() == method.file.resolve():
        return ""
    hashed = f"only {method.file.name} is hashed: a change of the class is not noticed"
    return f"{method.name}: its class is defined in {module}, but {hashed}"


def _of(name: str, file: Path, entry: str = "") -> UserMethod:
    if name in METHODS:
        raise UserError(f"{file}: {name} is the name of a built-in method: rename the file")
    if not _NAME.fullmatch(name):
        use = "use up to 40 lower-case letters, digits, - and _, starting with a letter"
        raise UserError(f"{file}: {name!r} cannot name a method: {use}")
    try:
        return UserMethod(name, file.resolve(), hashlib.sha256(file.read_bytes()).hexdigest(), entry)
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from error


def _file_of(entry: EntryPoint) -> Path:
    """The source file of the module that an entry point names."""
    try:
        spec = hashed_module.find(entry.module)
    except Exception as error:  # the user's package may raise anything
        raise UserError(f"method {entry.name}: cannot import {entry.module}: {reason(error)}") from error
    if spec is None or spec.origin is None:
        raise UserError(f"method {entry.name}: module {entry.module} not found: reinstall its package")
    return Path(spec.origin)


@cache
def _find_class(method: UserMethod) -> type:
    module, _, name = method.entry.partition(":")
    loaded = _import(method, module)
    wanted: Any = getattr(loaded, name or "METHOD", None)
    if isinstance(wanted, type):
        return wanted
    public = [
        value
        for key, value in vars(loaded).items()
        if isinstance(value, type) and value.__module__ == loaded.__name__ and not key.startswith("_")
    ]
    if wanted is not None or name or len(public) != 1:
        names = ", ".join(kind.__name__ for kind in public) or "none"
        raise UserError(
            f"{method.file}: which class is the method? Add the line METHOD = TheClass (classes in the file: {names})"
        )
    return public[0]


def _import(method: UserMethod, module: str) -> ModuleType:
    """The file, executed as a module. Raises UserError, with the line, for whatever it raises."""
    try:
        return _execute(method, module)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        line = line_in(method.file, error)
        place = f"{method.file}{line}" if line or not module else f"method {method.name}: cannot import {module}"
        raise UserError(f"{place}: {kind_and_reason(error)}") from error


def _execute(method: UserMethod, module: str) -> ModuleType:
    """The bytes whose hash the method has, as a module: `module` of a package, or else one of our own. Raises UserError
    if the file has changed."""
    source = method.file.read_bytes()
    if hashlib.sha256(source).hexdigest() != method.sha256:
        raise UserError(f"{method.file} was changed while it was in use: the same command runs what it is now")
    name = module or f"bench_own_{method.name.replace('-', '_')}_{method.code}"
    own = SourceFileLoader(name, str(method.file))
    spec = hashed_module.find(name) if module else importlib.util.spec_from_loader(name, own)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        return importlib.import_module(module)  # compiled: there is no source, and the hash is of what is executed
    return hashed_module.execute(spec, source, method.file)


def line_in(file: Path, error: BaseException) -> str:
    """`, line 7` if an error passed through this file; otherwise empty."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f", line {lines[-1]}" if lines else ""
