"""The commands that messages tell the user to type work when they are typed, whatever the folders are called."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from bench.data.readers import recognised
from bench.errors import command_line
from tests.conftest import Command, one_line

RUN = ("run", "--benchmark", "tiny", "--iterations", "1", "--set", "validations=0", "--set", "evaluation.episodes=4")
MINE = "from methods.maml import Maml\n\n\nclass Mine(Maml):\n    pass\n"


def words(text: str) -> list[str]:
    """The words after `python -m bench` in a line that ends with a command, or has one in backticks."""
    (found,) = re.findall(r"`python -m bench (.*)`|: python -m bench (.*)", text)
    return shlex.split(next(filter(None, found)))


def test_a_command_is_quoted_for_a_shell() -> None:
    assert command_line("report", "--results", Path("my results")) == "python -m bench report --results 'my results'"


def test_folders_with_spaces_and_a_users_method(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    ran = typed(*RUN, "--results", "my results", "--method", "mine.py", "--method", "maml").stdout.splitlines()
    assert typed(*words(ran[-1])).returncode == 0
    own = ("--method", "mine.py", "--results", "my results")
    draw = ("show", "episodes", "tiny/mine", "--set", "queries=2", "--out", "x.png", *own)
    assert typed(*words(one_line(typed(*draw)))).returncode == 0
    assert typed(*draw).returncode == 0
    assert typed("export", "--all", "--results", "my results", "--out", "all of them.zip").returncode == 0
    imported = typed("import", "all of them.zip", "--results", "their results").stdout.splitlines()
    *verify, method, file, results, folder = words(imported[-1])
    assert (method, file, results, folder) == ("--method", "path/to/mine.py", "--results", "their results")
    assert typed(*verify, method, Path(file).name, results, folder).returncode == 0


def test_a_data_set_in_a_folder_with_a_space() -> None:
    found = [known for known in recognised._known_data_sets() if known.source == "cub"]
    assert words(recognised.command(found, Path("my birds")))[-1] == "my birds"
