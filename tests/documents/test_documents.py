"""The documentation: every command in it parses, every file it names exists, and its runnable blocks run.

Code blocks that begin with ```` ```sh run ```` are run in an empty folder, one after another. The commands in other
blocks and in running text need minutes, data or a GPU: they are parsed here, and run with less work in
tests/documents/test_commands.py."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

import bench
from bench import cli
from bench.data.sources import OMNIGLOT_DIGEST
from bench.protocols import benchmarks, presets, protocol, settings
from bench.tools.explain.grouping import GROUPS
from methods import METHODS
from tests.conftest import ROOT, Command

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BENCH = "python -m bench "
_FENCED = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4}(\S.*)$", re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
_FILE = re.compile(r"(?<![\w./{<>-])(?:bench|methods|tests|docs|examples|results/reference|\.ci)/[\w./-]*")
_OWN = {"mine": (3, 32, 32)}  # the images that docs/data.md adds


def _code(text: str) -> Iterator[str]:
    """Every line of the code blocks, and every code span in running text; lines that end in a backslash are joined."""
    blocks = "\n".join(found["body"] for found in _FENCED.finditer(text))
    rest = _FENCED.sub("", text)
    yield from blocks.replace("\\\n", " ").splitlines()
    yield from _INDENTED.findall(rest)
    yield from (" ".join(span.split()) for span in _SPAN.findall(rest))


def blocks(text: str, kind: str) -> list[str]:
    """The contents of the fenced blocks that begin with ```` ```kind ````."""
    return [found["body"] for found in _FENCED.finditer(text) if found["info"] == kind]


def arguments(line: str) -> list[str]:
    """What follows `python -m bench` in a line, up to a comment, a redirection or the next command."""
    words = shlex.shlex(line.partition(BENCH)[2], posix=True, punctuation_chars=True)
    words.whitespace_split = True
    found = list(words)
    return found[: next((i for i, word in enumerate(found) if set(word) <= set("();<>|&")), len(found))]


def run_by(text: str) -> list[str]:
    """The lines in runnable blocks."""
    lines = "".join(blocks(text, "sh run")).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip()]


TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in DOCUMENTS}
COMMANDS = {
    f"{where}: {shlex.join(words)}": words
    for where, text in TEXTS.items()
    for line in _code(text)
    if BENCH in line and (words := arguments(line))
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_command_is_one(words: list[str]) -> None:
    options = cli._parser().parse_args(words)
    if getattr(options, "settings", None) != ["..."]:
        _check_names(options)


def _check_names(options: Namespace) -> None:
    """Asserts that the named benchmarks, protocols, methods and settings exist; names in capitals are placeholders."""
    asked = {name: _asked(options, name) for name in ("benchmark", "protocol", "method")}
    named = [benchmarks.get(name, _OWN) for name in asked["benchmark"]] or [benchmarks.get("tiny")]
    for name in asked["protocol"]:
        presets.preset(name, named[0])
    assert {name for name in asked["method"] if not name.endswith(".py")} <= set(METHODS)
    settings.with_settings(presets.paper(named[0]), getattr(options, "settings", []))


def _asked(options: Namespace, name: str) -> list[str]:
    found = getattr(options, name, None) or []
    return [each for each in ([found] if isinstance(found, str) else found) if not each.isupper()]


@pytest.mark.slow
@pytest.mark.parametrize("where", [where for where, text in TEXTS.items() if run_by(text)])
def test_what_is_said_to_run_runs(where: str, typed: Command) -> None:
    for line in run_by(TEXTS[where]):
        assert line.startswith(BENCH), f"{where}: only `{BENCH}` is run: {line}"
        ran = typed(*arguments(line))
        assert ran.returncode == 0, (line, ran.stdout, ran.stderr)


@pytest.mark.parametrize("where", TEXTS)
def test_links_and_files_are_there(where: str) -> None:
    linked = [(ROOT / where).parent / target for target in _LINK.findall(TEXTS[where])]
    named = [ROOT / name.rstrip(".") for line in _code(TEXTS[where]) for name in _FILE.findall(line)]
    assert [str(path) for path in linked + named if not path.exists()] == []


def test_the_index_has_every_document() -> None:
    listed = _LINK.findall(TEXTS["docs/README.md"])
    assert set(listed) >= {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("benchmark", ["tiny", "sinusoid-5s"])
def test_every_field_of_a_record_is_described(benchmark: str, typed: Command, tmp_path: Path) -> None:
    typed(
        "run", "--benchmark", benchmark, "--iterations", "2", "--set", "evaluation.episodes=2", "--set", "validations=1"
    )
    written = [json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]
    assert len(written) == 2
    names = {name for info in written for name in info} | {name for info in written for name in info["execution"]}
    described = set(re.findall(r"`([\w.]+)`", TEXTS["docs/record.md"]))
    assert names <= {name.partition(".")[0] for name in described}, names - described


def test_every_group_of_settings_is_described() -> None:
    assert [name for name in GROUPS if f"\n| `{name}`" not in TEXTS["docs/explain.md"]] == []


def test_the_first_reproduction_names_the_runs_that_it_makes() -> None:
    text, tiny = TEXTS["docs/first-reproduction.md"], presets.quick(benchmarks.get("tiny"))
    assert f"tiny/maml/{protocol.training_hash(tiny.training, OMNIGLOT_DIGEST)}/seed0" in text
    (reference,) = re.findall(rf"{BENCH}verify (\S+) --results (\S+)", text)
    assert list((ROOT / reference[1] / reference[0]).glob("seed*/record.json"))


def test_the_citation_is_of_this_version() -> None:
    version = bench.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{version}]" in TEXTS["CHANGELOG.md"]


def test_the_picture_of_the_architecture_is_up_to_date_and_no_chain_of_imports_is_long() -> None:
    drawn = [sys.executable, ROOT / "docs" / "architecture.py", "--check"]
    assert subprocess.run(drawn).returncode == 0, "python docs/architecture.py"
    found = re.search(r"The longest chain of imports has (\d+) modules", TEXTS["docs/architecture.md"])
    assert found and int(found[1]) <= 14


def test_a_docstring_names_its_subject() -> None:
    """An editor shows it by itself: `Its derivative.` says nothing there."""
    kinds, found = (ast.Module, ast.ClassDef, ast.FunctionDef), []
    for path in [path for top in ("bench", "methods") for path in ROOT.glob(f"{top}/**/*.py")]:
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
        texts = [ast.get_docstring(node) or "" for node in nodes]
        found += [f"{path}: {text}" for text in texts if re.match(r"(The same|Of|That of|Those|Its)\b", text)]
    assert not found


def test_files_and_modules_that_the_code_names_are_there() -> None:
    """In docstrings and comments, which nobody runs."""
    for path in [path for top in ("bench", "methods") for path in ROOT.glob(f"{top}/**/*.py")]:
        text = path.read_text()
        files = re.findall(r"(?<![\w/.])(?:bench|tests|docs|examples)/[\w/-]+\.(?:py|md|csv|json|toml)\b", text)
        modules = [name.replace(".", "/") for name in re.findall(r"(?<![\w.])bench(?:\.[a-z]\w*){2,}", text)]
        assert [name for name in files if not (ROOT / name).exists()] == [], path
        assert [name for name in modules if not _is_module_or_in_one(ROOT / name)] == [], path


def _is_module_or_in_one(path: Path) -> bool:
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    holders = (path.parent.with_suffix(".py"), path.parent / "__init__.py")
    return any(re.search(rf"\b{path.name}\b", holder.read_text()) for holder in holders if holder.exists())


def test_no_two_classes_of_the_library_have_one_name() -> None:
    """`Engine` is what methods see of a `StackedEngine`, and where runs are worked through."""
    texts = [path.read_text() for path in ROOT.glob("bench/**/*.py")]
    names = Counter(name for text in texts for name in re.findall(r"^class (\w+)", text, re.MULTILINE))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_module_and_no_function_is_long() -> None:
    texts = {path: path.read_text() for top in ("bench", "methods") for path in ROOT.glob(f"{top}/**/*.py")}
    long = [str(path) for path, text in texts.items() if len(text.splitlines()) > 200]
    for path, text in texts.items():
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        long += [f"{path}: {f.name}" for f in functions if (f.end_lineno or 0) - f.lineno >= 45]
    assert not long


def test_no_list_of_methods_is_kept_beside_the_registry() -> None:
    """Otherwise a new method would have to be added in two places; `speed` lists the methods that other libraries
    have."""
    found = []
    for path in ROOT.glob("bench/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            held = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
            names = {each.value for each in held if isinstance(each, ast.Constant)} & METHODS.keys()
            found += [(str(path.relative_to(ROOT)), *sorted(names))] if len(names) > 1 else []
    assert found == [("bench/tools/speed/contenders.py", "finetune", "fomaml", "maml")]


def test_hooks_have_the_versions_of_ci() -> None:
    named = re.findall(r"\[((?:ruff|import-linter)==[\d.]+)\]", (ROOT / ".pre-commit-config.yaml").read_text())
    assert named and set(named) <= set((ROOT / ".ci" / "constraints.txt").read_text().split())


def test_the_lowest_versions_are_those_that_are_allowed() -> None:
    """Except torch, as the file says."""
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    allowed = dict(re.match(r"([\w-]+)>=([\d.]+)", line).groups() for line in lines)
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)", (ROOT / ".ci" / "lowest.txt").read_text(), re.MULTILINE))
    apart = {"torch", "torchvision"}
    assert set(allowed) <= set(pinned)
    assert [
        name for name in allowed if name not in apart and not f"{pinned[name]}.".startswith(f"{allowed[name]}.")
    ] == []


def test_whatever_ci_installs_has_its_version() -> None:
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    tox = ConfigParser()
    tox.read(ROOT / "tox.ini")
    lines += [line for section in tox.values() for line in section.get("deps", "").splitlines()]
    named = {re.match(r"[\w-]*", line)[0] for line in lines if not line.startswith(("#", "{"))} - {""}
    pinned = {line.split("==")[0].lower() for line in (ROOT / ".ci" / "constraints.txt").read_text().splitlines()}
    assert {"tox", "nbclient", "ruff", "torch"} <= named | {"tox"} <= pinned


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("`python -m bench\nlist` and more", ["list"]),
        ("```\nX=1 python -m bench run --seeds 2 > log; echo # x\n```", ["run", "--seeds", "2"]),
        ("```sh run\npython -m bench run \\\n  --seeds 2  # two\n```", ["run", "--seeds", "2"]),
        ("    python -m bench verify 'a b'\n", ["verify", "a b"]),
    ],
)
def test_commands_are_found(text: str, words: list[str]) -> None:
    assert [arguments(line) for line in _code(text) if BENCH in line] == [words]
