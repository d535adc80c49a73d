"""Published weights that the project recognises by the checksums of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.protocols.protocol import digest


@dataclass(frozen=True)
class PublishedWeights:
    """Weights that are recognised by the checksums of their files. `source`: the source of the claims that they belong
    to."""

    name: str
    benchmark: str
    source: str


# Keys: the SHA-256 of the data file and of the index.
_KNOWN = {
    frozenset(
        {
            "f7e14e6f544371a562441d378f4bc5765431008400cc07a16ad5ed488ea9dea0",
            "1aa0796e828abfecda13d14b8edae381ec2fc00b190a0aee985d05dba4814c4f",
        }
    ): PublishedWeights(
        "the authors' weights (cbfinn/maml, model59000)", "miniimagenet-5w1s", "Finn et al. 2017 Table 1"
    )
}


def recognise(files: Mapping[str, str]) -> PublishedWeights | None:
    """The published weights with these files (name -> SHA-256), or None."""
    return _KNOWN.get(frozenset(map(str, files.values())))


def origin(files: Mapping[str, str]) -> str:
    """Eight hexadecimal digits that identify the content of these files (name -> SHA-256)."""
    return digest(sorted(map(str, files.values())))
