"""Draws packages and imports into docs/architecture.md: `python docs/architecture.py` (`--check`: only compares)."""

from __future__ import annotations

import ast
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import grimp

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn: begin -->\n", "<!-- drawn: end -->\n"


def linter() -> dict[str, Any]:
    """The settings of import-linter in pyproject.toml."""
    told: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return told


def layers() -> list[list[str]]:
    """Packages of each layer, the top one first, as the import contract in pyproject.toml declares them."""
    declared = next(contract["layers"] for contract in linter()["contracts"] if contract["type"] == "layers")
    found = [[f"bench.{name.strip()}" for name in layer.split("|")] for layer in declared]
    return [*found[:-1], [*found[-1], "methods"]]


def purpose(package: str) -> str:
    """First sentence of a package's docstring."""
    path = _path(package)
    source = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def _path(package: str) -> Path:
    path = ROOT.joinpath(*package.split("."))
    return path if path.is_dir() else path.with_suffix(".py")


def drawn() -> str:
    """Table of the layers with what each package imports, and the length of the longest chain of module imports."""
    graph = grimp.build_graph("bench", "methods", cache_dir=None)
    packages = [package for layer in layers() for package in layer]
    rows = ["| layer | package | what it contains | imports |", "| --- | --- | --- | --- |"]
    for number, layer in enumerate(reversed(layers()), start=1):
        rows[2:2] = [_row(graph, number, package, packages) for package in layer]
    longest = chain(graph)
    arrows = " → ".join(f"`{module.removeprefix('bench.')}`" for module in longest)
    said = f"The longest chain of imports has {len(longest)} modules: {arrows}."
    counted = "It includes imports inside functions and imports for types only; a test keeps it at 14 or below."
    return "\n".join(rows) + f"\n\n{said} {counted}\n"


def _row(graph: grimp.ImportGraph, number: int, package: str, packages: list[str]) -> str:
    targets = [other for other in packages if other != package and _imports(graph, package, other)]
    names = ", ".join(name.removeprefix("bench.") for name in targets)
    return f"| {number} | `{_path(package).relative_to(ROOT)}` | {purpose(package)} | {names} |"


def _imports(graph: grimp.ImportGraph, package: str, other: str) -> bool:
    inside = {package, *graph.find_descendants(package)}
    return any(
        graph.find_modules_directly_imported_by(module) & {other, *graph.find_descendants(other)} for module in inside
    )


def chain(graph: grimp.ImportGraph) -> list[str]:
    """The longest chain of modules in which each imports the next."""

    @cache
    def below(module: str) -> list[str]:
        found = (below(other) for other in sorted(graph.find_modules_directly_imported_by(module)))
        return [module, *max(found, key=len, default=[])]

    return max((below(module) for module in sorted(graph.modules)), key=len)


def main() -> int:
    """Rewrites the page, or with `--check` returns 1 where it is not up to date."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    made = f"{before}{BEGIN}{drawn()}{END}{after}"
    if "--check" in sys.argv[1:]:
        return int(made != text)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
