"""Image files: limits on their size, whatever size their headers claim."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import pytest
from PIL import Image

from bench.data.readers.image_files import decode


def _png(side: int) -> bytes:
    """A few bytes whose header claims this size."""
    out = io.BytesIO()
    Image.new("L", (84, 84)).save(out, "PNG")
    head, tail = out.getvalue()[:16], out.getvalue()[33:]
    size = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return head + size + struct.pack(">I", zlib.crc32(b"IHDR" + size)) + tail


@pytest.mark.parametrize("side", [85, 12_000, 65_000, 2**31 - 1])
def test_an_image_of_many_pixels_is_refused_before_it_is_decoded(refused, side):
    with warnings.catch_warnings(action="error"):
        line = refused(decode, {"x": _png(side)}, ["x"], 84, "L", None)
    assert "pixels" in line or "cannot be decoded" in line


def test_other_formats_are_not_opened(refused):
    out = io.BytesIO()
    Image.new("L", (84, 84)).save(out, "TIFF")
    assert "cannot be decoded" in refused(decode, {"x": out.getvalue()}, ["x"], 84, "L", None)
