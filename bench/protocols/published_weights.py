"""Published weights that the project knows by the sums of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.protocols.protocol import digest


@dataclass(frozen=True)
class Known:
    """Weights whose files are known by their sums. `source`: that of the claims behind which they stand."""

    name: str
    benchmark: str
    source: str


# By the SHA-256 of the data and of the index.
_KNOWN = {
    frozenset(
        {
            "f7e14e6f544371a562441d378f4bc5765431008400cc07a16ad5ed488ea9dea0",
            "1aa0796e828abfecda13d14b8edae381ec2fc00b190a0aee985d05dba4814c4f",
        }
    ): Known("the authors' weights (cbfinn/maml, model59000)", "miniimagenet-5w1s", "Finn et al. 2017 Table 1")
}


def known(files: Mapping[str, str]) -> Known | None:
    """What is known of files with these SHA-256 (by name)."""
    return _KNOWN.get(frozenset(map(str, files.values())))


def origin(files: Mapping[str, str]) -> str:
    """Eight hexadecimal digits that stand for the content of files with these SHA-256 (by name)."""
    return digest(sorted(map(str, files.values())))
