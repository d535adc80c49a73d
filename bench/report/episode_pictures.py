"""The pictures of episodes that `show episodes` stored beside records, for the page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from bench.analysis.sections import Section
from bench.errors import printable
from bench.files import Unreadable, read_json
from bench.records import Record
from bench.records.layout import PICTURES

_MOST, _MOST_BYTES = 3, 750_000  # per section
_MOST_JSON_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Picture:
    """A picture with its caption `text`; `source` is the image itself, as a `data:` URL."""

    title: str
    text: str
    source: str


def pictures(section: Section) -> list[Picture]:
    """The first few pictures of a section, within a limit on their size."""
    found: list[Picture] = []
    for picture in (picture for record in section.records for picture in _of(record)):
        if len(found) < _MOST and sum(len(each.source) for each in [*found, picture]) <= _MOST_BYTES:
            found.append(picture)
    return found


def _of(record: Record) -> Iterator[Picture]:
    """The pictures of a record; none if they are missing or unreadable, or show scores that the record no longer
    has."""
    sums = {evaluated.info["sha256"] for evaluated in record.evaluations}
    try:
        kept = read_json(record.path / PICTURES, _MOST_JSON_BYTES)
        if kept["of"] in sums:
            yield from [_picture(record, part) for part in kept["pictures"]]
    except (Unreadable, ValueError, KeyError, TypeError):
        return


def _picture(record: Record, part: dict[str, str]) -> Picture:
    """Decodes one picture. Raises ValueError if it is not a WebP image."""
    content = base64.b64decode(part["webp"], validate=True)
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        raise ValueError(f"{PICTURES} of {record.name} holds something other than a picture")
    title, text = (printable(str(part[name])) for name in ("title", "text"))
    return Picture(title, text, f"data:image/webp;base64,{part['webp']}")
