"""The names of all methods, without importing them: torch takes seconds, and tables and typos need only names."""

from __future__ import annotations

import ast
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from bench.errors import unknown_name

GROUP = "few_shot_bench.methods"  # the group of entry points by which packages provide methods
_METHODS = Path(__file__).parents[2] / "methods"


@cache
def built_in_methods() -> dict[str, str]:
    """The built-in methods: name -> docstring of the class, read from the sources, in the order of tables."""
    body = ast.parse((_METHODS / "__init__.py").read_text(encoding="utf-8")).body
    modules = {name.name: each.module for each in body if isinstance(each, ast.ImportFrom) for name in each.names}
    (registry,) = (each.value for each in body if isinstance(each, ast.AnnAssign) and isinstance(each.value, ast.Dict))
    named = [(ast.literal_eval(key), kind.id) for key, kind in zip(registry.keys, registry.values, strict=True)
             if key is not None and isinstance(kind, ast.Name)]  # fmt: skip
    return {name: _docstring(modules[kind] or "", kind) for name, kind in named}


def order(method: str) -> tuple[int, str]:
    """A sort key: built-in methods in the order of their registration, others after them by name."""
    names = [*built_in_methods()]
    return names.index(method) if method in names else len(names), method


def offered_methods() -> list[str]:
    """The names of the methods that installed packages provide."""
    return sorted({entry.name for entry in entry_points(group=GROUP)} - built_in_methods().keys())


def check(asked: str) -> None:
    """Raises UserError, with a suggestion, if this is neither a known name nor a file."""
    known = [*built_in_methods(), *offered_methods()]
    if asked not in known and not is_file(asked):
        raise unknown_name("method", asked, known)


def is_file(asked: str) -> bool:
    """Whether the text names a method by its file."""
    return asked.endswith(".py") or "/" in asked or "\\" in asked


def _docstring(module: str, kind: str) -> str:
    source = (_METHODS / f"{module.rpartition('.')[2]}.py").read_text(encoding="utf-8")
    classes = [each for each in ast.parse(source).body if isinstance(each, ast.ClassDef) and each.name == kind]
    return ast.get_docstring(classes[0]) or "" if classes else ""
