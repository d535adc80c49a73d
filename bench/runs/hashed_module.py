"""Executes a module from the very bytes that were hashed. A plain import would execute the file as it is by then,
bytecode kept of a file of the same size and time, or nothing if the module was imported before the file changed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType


def find(module: str) -> ModuleSpec | None:
    """Where a module is; None if it is not found. Unlike `importlib.util.find_spec`, it does not execute the packages
    around the module, which may import it themselves."""
    package = module.rpartition(".")[0]
    if not package:
        return importlib.util.find_spec(module)
    around = find(package)
    if around is None or around.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, around.submodule_search_locations)


def execute(spec: ModuleSpec, source: bytes, file: Path) -> ModuleType:
    """The module, imported with the packages around it, whoever of them imports it first; `file`: its name in errors.
    Raises whatever it raises."""
    loader = _Compiled(spec.name, str(spec.origin))
    loader.code = compile(source, str(file), "exec")
    places = spec.submodule_search_locations
    finder = _Finder()
    finder.spec = importlib.util.spec_from_file_location(spec.name, loader=loader, submodule_search_locations=places)
    sys.modules.pop(spec.name, None)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(spec.name)
    finally:
        sys.meta_path.remove(finder)


class _Compiled(SourceFileLoader):
    """Loads a module with this code, whatever the file holds."""

    code: CodeType

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class _Finder:
    """Finds one module, and leaves all others to Python."""

    spec: ModuleSpec | None

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        return self.spec if self.spec is not None and name == self.spec.name else None
