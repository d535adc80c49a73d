"""Pickles of every NumPy version are read, and none of the code that they name is executed."""

from __future__ import annotations

import builtins
import contextlib
import os
import pickle
import resource
import struct
import time
from collections import OrderedDict

import numpy as np
import pytest

from bench.data.readers import plain_pickles
from bench.data.readers.plain_pickles import load_plain
from bench.errors import UserError

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def _python2(images: np.ndarray) -> bytes:
    """{"image_data": images, "class_dict": {"a": [0, 1]}} as numpy of Python 2 pickles it with protocol 2."""

    def text(data: bytes) -> bytes:
        return b"T" + struct.pack("<I", len(data)) + data

    kind = (
        b"cnumpy\ndtype\n("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNN"
        + b"J\xff\xff\xff\xff" * 2
        + b"K\x00tb"
    )
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    shape = b"(" + b"".join(b"K" + bytes([n]) for n in images.shape) + b"t"
    array = empty + b"(K\x01" + shape + kind + b"\x89" + text(images.tobytes()) + b"tb"
    classes = b"}" + text(b"a") + b"]K\x00aK\x01as"
    return b"\x80\x02}" + text(b"image_data") + array + b"s" + text(b"class_dict") + classes + b"s."


def _load(tmp_path, data: bytes):
    path = tmp_path / "some.pkl"
    path.write_bytes(data)
    return load_plain(path)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("images", [IMAGES, np.asfortranarray(IMAGES), IMAGES.transpose(0, 2, 1), IMAGES[:, ::2]])
def test_arrays_of_every_protocol_and_layout(tmp_path, protocol, images):
    value = {"image_data": images, "class_dict": OrderedDict(a=[0, np.int64(1)], b=np.array([1], ">i4"))}
    loaded = _load(tmp_path, pickle.dumps(value, protocol))
    assert np.array_equal(loaded["image_data"], images) and loaded["image_data"].dtype == np.uint8
    assert loaded["class_dict"]["a"] == [0, 1] and loaded["class_dict"]["b"].tolist() == [1]


@pytest.mark.parametrize("protocol", range(4))
def test_arrays_of_an_older_numpy(tmp_path, protocol):
    data = pickle.dumps({"image_data": IMAGES}, protocol)
    older = data.replace(b"numpy._core.", b"numpy.core.")
    assert older != data and np.array_equal(_load(tmp_path, older)["image_data"], IMAGES)


def test_arrays_of_python_2(tmp_path):
    images = np.arange(180, 204, dtype=np.uint8).reshape(2, 3, 4)  # bytes above 127 too
    data = _python2(images)
    assert np.array_equal(pickle.loads(data, encoding="latin1")["image_data"], images)  # the recipe is right
    loaded = _load(tmp_path, data)
    assert np.array_equal(loaded["image_data"], images) and loaded["class_dict"] == {"a": [0, 1]}


class _Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", [lambda evil: evil, lambda evil: {"image_data": IMAGES, "class_dict": {"a": [evil]}}])
def test_nothing_that_a_pickle_carries_is_run(tmp_path, refused, protocol, place):
    marker = tmp_path / "marker"
    data = pickle.dumps(place(_Calls(os.system, f"touch {marker}")), protocol)
    assert "posix.system" in refused(_load, tmp_path, data) and not marker.exists()
    pickle.loads(data)
    assert marker.exists()  # so the pickle was a dangerous one


@pytest.mark.parametrize("function", [builtins.eval, builtins.getattr, np.load, np.frombuffer, np.memmap])
def test_no_function_but_those_allowed(tmp_path, refused, function):
    assert "refused" in refused(_load, tmp_path, pickle.dumps(_Calls(function, "1")))


def test_no_attribute_of_what_is_allowed(tmp_path, refused):
    assert "refused" in refused(_load, tmp_path, b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")


@pytest.mark.parametrize("array", [np.array([None, {}], object), np.zeros(2, "u1,f4"), np.zeros(2), np.array(["a"])])
def test_only_integers(tmp_path, refused, array):
    assert "numbers of type" in refused(_load, tmp_path, pickle.dumps({"image_data": array}))


def test_every_truncation_is_one_line(tmp_path, refused):
    data = pickle.dumps({"image_data": IMAGES, "class_dict": {"a": [0, 1]}})
    for length in range(len(data)):
        assert "some.pkl: damaged" in refused(_load, tmp_path, data[:length])


def test_an_array_larger_than_its_bytes_is_refused(tmp_path, refused):
    data = pickle.dumps({"image_data": np.zeros((7, 3), np.uint8)}, 2)
    assert "some.pkl: damaged" in refused(_load, tmp_path, data.replace(b"K\x07K\x03", b"K\xffK\xff"))


BOMBS = {
    "an index of the memo": b"\x80\x02]r\xff\xff\xff\x7f.",
    "a length": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "keys whose hash takes for ever": b"\x80\x02})" + b"2\x86" * 60 + b"Ns.",
    "a dictionary forty times twice in another": b"\x80\x02}q\x00" + b"}q\x01(U\x01ah\x00U\x01bh\x00uq\x00" * 40 + b".",
    "one text in many copies": b"\x80\x02(U\xff"
    + b"x" * 255
    + b"q\x010"
    + b"c_codecs\nencode\nh\x01U\x06latin1\x86R" * 99
    + b"l.",
    "more instructions than any cache has": b"\x80\x02" + b"N0" * (plain_pickles.MOST_INSTRUCTIONS // 2) + b"N.",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_few_bytes_take_neither_the_memory_nor_for_ever(tmp_path, bomb):
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with contextlib.suppress(UserError):
        _load(tmp_path, BOMBS[bomb])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB
    assert time.process_time() - started < 20


@pytest.mark.parametrize("what", ["numpy\nndarray", "numpy\ndtype", "_codecs\nencode"])
def test_what_is_allowed_cannot_be_changed(tmp_path, refused, what):
    assert "a state of what is plain" in refused(_load, tmp_path, f"c{what}\n(N(U\x01x".encode() + b"Ndtb.")


def test_instructions_that_make_objects_are_refused(tmp_path, refused):
    for data in (b"(cos\nsystem\nU\x01xo.", b"(U\x01xios\nsystem\n.", b"Pname\n.", b"cnumpy\nndarray\n)\x81."):
        assert "refused" in refused(_load, tmp_path, data)
