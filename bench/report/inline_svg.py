"""Embeds a figure's SVG in a page: with the page's colours, without its own styles, with values attached to its
marks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from bench.report.panel import PALETTE, TITLE, DrawnFigure

# Colour in the figures -> CSS variable of the page, which has another value in dark mode.
_COLOURS = {colour: f"var(--c{number})" for number, colour in enumerate(PALETTE)} | {
    "#000000": "currentColor", "#262626": "currentColor", "#555555": "var(--soft)", "#cccccc": "var(--grid)",
    "#ffffff": "var(--ground)",
}  # fmt: skip
_KEPT = ("fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-dashoffset", "opacity", "font-size",
         "text-anchor", "stroke-linecap", "stroke-linejoin", "stroke-opacity", "fill-opacity")  # fmt: skip
_BACKGROUNDS = ("patch_1", "patch_2")  # ids of the backgrounds of the figure and of its axes
_TITLE_POINTS = 14  # height to cut off for the title, which is removed; an axis's power of ten may be right below it
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"url\(#(.*)\)")


def inline(svg: str, title: str, values: Mapping[str, Sequence[str]], prefix: str) -> str:
    """The `svg` element. `values`: id of a mark -> its values; `prefix` makes ids unique among the page's figures."""
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in [child for child in parent if _unwanted(child)]:
            parent.remove(child)
    for mark in [element for element in root.iter() if element.get("id") in values]:
        _name_points(mark, values[mark.get("id", "")])
    for element in root.iter():
        _restyle(element, prefix)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    box = f"0 {_TITLE_POINTS} {width:g} {height - _TITLE_POINTS:g}"
    root.attrib = {"viewBox": box, "fill": "currentColor", "role": "group", "aria-label": title}
    return ElementTree.tostring(root, encoding="unicode")


def alternative(drawn: DrawnFigure) -> list[str]:
    """The values that the figure shows, as text; for a line with many points, its first and last one."""
    return [text for values in drawn.values.values() for text in ((*values[:1], *values[-1:])[: len(values)])]


def _unwanted(element: Element) -> bool:
    return _local(element.tag) in ("metadata", "style") or element.get("id") in (TITLE, *_BACKGROUNDS)


def _name_points(mark: Element, values: Sequence[str]) -> None:
    """Attaches each value to its point, or to the whole mark if its points are not drawn separately."""
    points = [element for element in mark.iter() if _local(element.tag) == "use"]
    for point, value in zip(points if len(points) == len(values) else [mark], values, strict=False):
        point.set("class", "value")
        SubElement(point, "title").text = value


def _restyle(element: Element, prefix: str) -> None:
    """Removes namespaces, and turns the style into attributes, which the page's security policy allows."""
    element.tag, element.tail = _local(element.tag), None
    element.text = None if element.text is None or not element.text.strip() else element.text
    found = {_local(name): value for name, value in element.attrib.items()}
    declared = _declarations(found.pop("style", ""), prefix)
    if element.tag == "g":
        found.pop("id", None)
    element.attrib = {name: _attribute(name, value, prefix) for name, value in found.items()} | declared


@lru_cache(4096)  # a figure has many elements but few styles
def _declarations(style: str, prefix: str) -> dict[str, str]:
    """A CSS style as attributes."""
    declared = dict(part.split(": ", 1) for part in style.split("; ") if part)
    kept = {name: _COLOURS.get(value, value) for name, value in declared.items() if name in _KEPT}
    return {name: _attribute(name, value, prefix) for name, value in kept.items()}


@lru_cache(1024)  # ticks and points repeat theirs
def _attribute(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name == "href":
        return f"#{prefix}{value.removeprefix('#')}"
    value = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
    return " ".join(_LONG_NUMBER.sub(lambda found: f"{float(found[0]):.4g}", value).split())


@lru_cache(256)
def _local(name: str) -> str:
    return name.rsplit("}", 1)[-1]
