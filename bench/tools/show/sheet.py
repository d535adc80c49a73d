"""Episodes drawn with what was predicted: a row a class, its support on the left, answers below each query image."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TILE, _EDGE, _CAPTION, _LABEL, _MARGIN, _TITLE = 72, 4, 19, 132, 14, 34  # pixels
_SUPPORTS, _QUERIES = 5, 15  # images in a line
_PAPER, _INK, _SOFT, _RIGHT, _WRONG = "#ffffff", "#1c2026", "#5a616b", "#00664a", "#a83c00"
_FRAMED, _GAP = _TILE + 2 * _EDGE, 5
_CELL = _FRAMED + _GAP
_LINE = _FRAMED + _CAPTION + _GAP
_ARROW = 11
_NARROWEST, _WIDEST = 900, 1500  # the key needs the one; more than the other fits few screens


@dataclass(frozen=True)
class Sheet:
    """An episode to draw. `support` and `query` are uint8 [ways, images, height, width, channels]; `before` and `after`
    adaptation are predicted labels [ways, queries]."""

    title: str
    classes: tuple[str, ...]
    support: np.ndarray
    query: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def ways(self) -> int:
        """Classes in the episode."""
        return len(self.classes)

    @property
    def names(self) -> list[str]:
        """What the labels are called, short enough to stand below an image."""
        letters = string.ascii_uppercase
        return list(letters[: self.ways]) if self.ways <= len(letters) else [str(k + 1) for k in range(self.ways)]

    @property
    def confused(self) -> str:
        """The error made most often, in words; empty where there is none."""
        counts = np.zeros((self.ways, self.ways), dtype=int)
        np.add.at(counts, (np.arange(self.ways)[:, None], self.after), 1)
        np.fill_diagonal(counts, 0)
        if not counts.any():
            return ""
        of, taken_for = map(int, np.unravel_index(counts.argmax(), counts.shape))
        count = int(counts[of, taken_for])
        return f"{count} image{'s' * (count > 1)} of {self.called(of)} taken for {self.called(taken_for)}"

    def called(self, label: int) -> str:
        """A class by its letter and its name."""
        return f"{self.names[label]} ({self.classes[label]})"

    def described(self) -> str:
        """What the picture shows, for those who do not see it."""
        labels = np.arange(self.ways)[:, None]
        right = [int((part == labels).sum()) for part in (self.before, self.after)]
        classes = ", ".join(self.called(label) for label in range(self.ways))
        most = f" Most often: {self.confused}." if self.confused else ""
        return (
            f"{self.title}. Classes: {classes}. Of {self.after.size} query images {right[0]} are right before "
            f"adaptation and {right[1]} after.{most}"
        )


def drawn(sheets: Sequence[Sheet]) -> Image.Image:
    """The episodes, which are of one shape, side by side where they are narrow, and above them how to read them."""
    width, height = max(map(_width, sheets)), _height(sheets[0])
    beside = min(len(sheets), max(1, _WIDEST // width))
    size = (max(_NARROWEST, beside * width), _TITLE + -(-len(sheets) // beside) * height)
    picture = Image.new("RGB", size, _PAPER)
    _key(ImageDraw.Draw(picture), _MARGIN)
    for k, sheet in enumerate(sheets):
        row, column = divmod(k, beside)
        _draw(picture, sheet, column * width, _TITLE + row * height)
    return picture


def _width(sheet: Sheet) -> int:
    title = round(_font(18).getlength(sheet.title))
    return max(_LABEL + _CELL * sum(_columns(sheet)) + _MARGIN, title) + 2 * _MARGIN


def _height(sheet: Sheet) -> int:
    return _TITLE + sheet.ways * _lines(sheet) * _LINE + _MARGIN


def _columns(sheet: Sheet) -> tuple[int, int]:
    """Images in a line: of the support, of the query."""
    return min(sheet.support.shape[1], _SUPPORTS), min(sheet.query.shape[1], _QUERIES)


def _lines(sheet: Sheet) -> int:
    """Lines that the images of a class take."""
    parts = (sheet.support, sheet.query)
    return max(-(-part.shape[1] // columns) for part, columns in zip(parts, _columns(sheet), strict=True))


def _key(draw: ImageDraw.ImageDraw, left: int) -> None:
    words = "Left: class and support. Right: query, below each image what was predicted before"
    draw.text((left, 9), words, _SOFT, _font(15))
    left += round(draw.textlength(words, _font(15))) + 6
    _arrow(draw, left, 19)
    draw.text((left + _ARROW + 6, 9), "after adaptation:", _SOFT, _font(15))
    left += _ARROW + 12 + round(draw.textlength("after adaptation:", _font(15)))
    for right, word in ((True, "right,"), (False, "wrong (thick frame)")):
        _mark(draw, left, 18, right)
        draw.text((left + 13, 9), word, _RIGHT if right else _WRONG, _font(15))
        left += 22 + round(draw.textlength(word, _font(15)))


def _draw(picture: Image.Image, sheet: Sheet, left: int, top: int) -> None:
    draw, left = ImageDraw.Draw(picture), left + _MARGIN
    draw.line((left, top, left + _width(sheet) - 2 * _MARGIN, top), "#d5d8dc")
    draw.text((left, top + 8), sheet.title, _INK, _font(18))
    names, (supports, queries) = sheet.names, _columns(sheet)
    first_support, first_query = left + _LABEL, left + _LABEL + supports * _CELL + _MARGIN
    for label, name in enumerate(names):
        line = top + _TITLE + label * _lines(sheet) * _LINE
        draw.text((left, line + 6), name, _INK, _font(26))
        _class_name(draw, sheet.classes[label], left, line + 38)
        for k, image in enumerate(sheet.support[label]):
            _paste(picture, image, first_support + k % supports * _CELL, line + k // supports * _LINE)
        for k, image in enumerate(sheet.query[label]):
            place = first_query + k % queries * _CELL, line + k // queries * _LINE
            before, after = int(sheet.before[label, k]), int(sheet.after[label, k])
            _frame(draw, *place, after == label)
            _paste(picture, image, *place)
            _answers(draw, place[0], place[1] + _FRAMED + 1, [(names[each], each == label) for each in (before, after)])


def _class_name(draw: ImageDraw.ImageDraw, name: str, left: int, top: int) -> None:
    """As much of it as there is room for; of a path, such as an alphabet's character, the last two parts."""
    font = _font(12)
    for k, part in enumerate(name.split("/")[-2:]):
        while draw.textlength(part, font) > _LABEL - 8:
            part = f"{part.rstrip('…')[:-1]}…"
        draw.text((left, top + 15 * k), part, _SOFT, font)


def _paste(picture: Image.Image, pixels: np.ndarray, left: int, top: int) -> None:
    image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    how = Image.Resampling.NEAREST if max(image.size) < _TILE / 2 else Image.Resampling.LANCZOS
    picture.paste(image.resize((_TILE, _TILE), how).convert("RGB"), (left + _EDGE, top + _EDGE))


def _frame(draw: ImageDraw.ImageDraw, left: int, top: int, right: bool) -> None:
    inset = _EDGE - 2 if right else 0
    box = (left + inset, top + inset, left + _FRAMED - 1 - inset, top + _FRAMED - 1 - inset)
    draw.rectangle(box, fill=_RIGHT if right else _WRONG)


def _answers(draw: ImageDraw.ImageDraw, left: int, top: int, answers: Sequence[tuple[str, bool]]) -> None:
    """The label before, an arrow, the label after, each with its mark, in the middle below the image."""
    font = _font(14)
    widths = [draw.textlength(name, font) + 14 for name, _ in answers]
    left = round(left + (_FRAMED - sum(widths) - _ARROW - 8) / 2)
    for k, ((name, right), width) in enumerate(zip(answers, widths, strict=True)):
        if k:
            _arrow(draw, left, top + 8)
            left += _ARROW + 6
        draw.text((left, top), name, _INK, font)
        _mark(draw, left + round(width) - 11, top + 8, right)
        left += round(width) + 2


def _mark(draw: ImageDraw.ImageDraw, left: int, middle: int, right: bool) -> None:
    """A tick or a cross, nine pixels wide; drawn, because not every font has them."""
    if right:
        draw.line([(left, middle), (left + 3, middle + 4), (left + 9, middle - 4)], _RIGHT, 2)
    else:
        draw.line((left, middle - 4, left + 8, middle + 4), _WRONG, 2)
        draw.line((left, middle + 4, left + 8, middle - 4), _WRONG, 2)


def _arrow(draw: ImageDraw.ImageDraw, left: int, middle: int) -> None:
    end = left + _ARROW - 2
    draw.line((left, middle, end, middle), _SOFT)
    draw.line([(end - 3, middle - 3), (end, middle), (end - 3, middle + 3)], _SOFT)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
