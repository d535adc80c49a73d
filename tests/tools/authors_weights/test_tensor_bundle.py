"""Reading TensorFlow's checkpoints: everything in them is found, and damaged or hostile files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UserError
from bench.protocols import published_weights
from bench.tools.authors_weights import checkpoint, tensor_bundle
from tests.tools.authors_weights.conftest import variables
from tests.tools.authors_weights.writer import HEADER, Bundle, entry, varint

SMALL = {"model/a": np.arange(6, dtype=np.float32).reshape(2, 3), "model/ab": np.float32([-0.5]), "z": np.zeros(4)}


def refused(prefix: Path) -> str:
    """The one line that explains the refusal."""
    with pytest.raises(UserError) as caught:
        tensor_bundle.read(prefix)
    message = str(caught.value)
    assert "\n" not in message and prefix.name in message
    return message


def test_what_was_written_is_read(tmp_path: Path) -> None:
    found = tensor_bundle.read(Bundle(SMALL).write(tmp_path / "model7"))
    assert list(found) == ["model/a", "model/ab", "z"]
    for name, values in SMALL.items():
        assert found[name].dtype == np.float32 and np.array_equal(found[name], values)


def test_more_variables_than_a_varint_of_one_byte(tmp_path: Path) -> None:
    many = {f"model/{k:04}": np.full(k % 5 + 1, k, np.float32) for k in range(500)}
    found = tensor_bundle.read(Bundle(many).write(tmp_path / "model7"))
    assert all(np.array_equal(found[name], values) for name, values in many.items())


def test_the_authors_weights(authors: Path) -> None:
    """The table in protocols.md: names, shapes and offsets; the values directly from the file's bytes."""
    found = tensor_bundle.read(tensor_bundle.find(authors))
    raw = (authors / "model59000.data-00000-of-00001").read_bytes()
    places = {f"model/{k}/beta": ((32,), 128 * k) for k in range(4)}
    places |= {"model/Variable" + f"_{k}" * bool(k): ((32,), 512 + 128 * k) for k in range(4)}
    places |= {f"model/conv{k}": ((3, 3, 32, 32), at) for k, at in ((2, 4500), (3, 41364), (4, 78228))}
    places |= {"model/b5": ((5,), 1024), "model/conv1": ((3, 3, 3, 32), 1044), "model/w5": ((800, 5), 115092)}
    assert found.keys() == places.keys() and sum(values.size for values in found.values()) == 32_773
    for name, (shape, at) in places.items():
        assert np.array_equal(found[name], np.frombuffer(raw, "<f4", int(np.prod(shape)), at).reshape(shape)), name


def test_the_authors_weights_are_known(authors: Path) -> None:
    found = checkpoint.read(authors)
    known = published_weights.recognise(found.files)
    assert found.iteration == 59_000 and known is not None and known.benchmark == "miniimagenet-5w1s"
    assert found.about()["name"] == known.name


MESSAGE = entry((2,), 0, np.zeros(2, "<f4").tobytes())


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (Bundle(SMALL, compression=1), "compressed (Snappy)"),
        (Bundle(SMALL, compression=9), "compressed (method 9)"),
        (Bundle(SMALL, header=b"\x08\x02"), "spread over 2 files"),
        (Bundle(SMALL, header=b""), "spread over 0 files"),
        (Bundle(SMALL, header=HEADER + b"\x10\x01"), "big-endian"),
        (Bundle(SMALL, header=b"\x08\x01\x1a\x02\x10\x02"), "newer version"),
        (Bundle(SMALL, header=b"\x0a\x01\x01"), "not a number"),
        (Bundle(SMALL, entries={"b": entry((4,), 0, bytes(16), kind=2)}), "b is of float64"),
        (Bundle(SMALL, entries={"b": entry((4,), 0, bytes(16), kind=77)}), "b is of kind 77"),
        (Bundle(SMALL, entries={"b": MESSAGE + b"\x3a\x02\x08\x01"}), "partitioned into slices"),
        (Bundle(SMALL, entries={"b": MESSAGE + b"\x18\x01"}), "in a file that does not exist"),
        (Bundle(SMALL, entries={"b": entry((1 << 40, 1 << 40), 0, b"", size=4 << 80)}), "no end"),
        (Bundle(SMALL, entries={"b": entry((1 << 40,), 44, b"", size=4 << 40)}), "cut short"),
        (Bundle(SMALL, entries={"b": entry((1 << 62,), 0, b"", size=0)}), "said to take 0 bytes"),
        (Bundle(SMALL, entries={"b": entry((1,) * 9, 44, bytes(4))}), "[1, 1, 1, 1, 1, 1, 1, 1]"),
        (Bundle(SMALL, entries={"b": entry((0, 1 << 62), 0, b"")}), "said to take 0 bytes"),
        (Bundle(SMALL, entries={"b": MESSAGE}), "overlaps another variable"),
        (Bundle(SMALL, entries={"model/a": entry((2, 3), 0, bytes(24))}), "the crc32c of model/a"),
        (Bundle(SMALL, entries={"b": b"\x0b"}), "wire type 3"),
        (Bundle(SMALL, entries={"b": b"\x0a\x7f"}), "beyond its message"),
        (Bundle(SMALL, entries={"b": b"\x12\x02\x08\x01" + b"\x08\x01" + b"\x12\x05"}), "beyond its message"),
        (Bundle(SMALL, entries={"b": b"\x08" + b"\xff" * 11}), "no end"),
        (Bundle(SMALL, entries={"new\nline": MESSAGE}), "not text"),
        (Bundle(SMALL, entries={"n" * 1001: MESSAGE}), "longer than 1000 bytes"),
        (Bundle({}, entries={f"{k:05}": MESSAGE for k in range(10_001)}), "more than 10000 entries"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, wrong: Bundle, expected: str) -> None:
    assert expected in refused(wrong.write(tmp_path / "model7"))


def test_a_missing_or_enormous_file(tmp_path: Path) -> None:
    prefix = Bundle(SMALL).write(tmp_path / "model7")
    data = tmp_path / "model7.data-00000-of-00001"
    with open(data, "r+b") as file:
        file.truncate(1 << 30)
    assert "larger than" in refused(prefix)
    data.unlink()
    assert f"{data.name}: not found: a checkpoint is two files" in refused(prefix)
    (tmp_path / "model7.index").write_bytes(b"x" * 100)
    assert "not the index of a TensorFlow checkpoint" in refused(prefix)


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """In both files; except in the footer's padding, which nothing reads."""
    prefix = Bundle(SMALL).write(tmp_path / "model7")
    for file in tensor_bundle.files(prefix):
        whole = file.read_bytes()
        padding = range(len(whole) - 44, len(whole) - 8) if file.suffix == ".index" else range(0)
        for place in set(range(len(whole))) - set(padding):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
            refused(prefix)
        file.write_bytes(whole)


def test_every_truncation_is_found(tmp_path: Path) -> None:
    prefix = Bundle(SMALL).write(tmp_path / "model7")
    for file in tensor_bundle.files(prefix):
        whole = file.read_bytes()
        for size in range(len(whole)):
            file.write_bytes(whole[:size])
            refused(prefix)
        file.write_bytes(whole)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(entries=st.dictionaries(st.text(max_size=8), st.binary(max_size=40), max_size=4), header=st.binary(max_size=8))
def test_no_message_does_more_than_be_refused(tmp_path: Path, entries: dict[str, bytes], header: bytes) -> None:
    """Valid tables with arbitrary messages give either an error of one line, or variables of float32."""
    prefix = Bundle(SMALL, header=HEADER + header, entries=entries | {"zz": varint(len(header))}).write(tmp_path / "m7")
    refused(prefix)


@pytest.mark.parametrize("names", [(), ("model7", "model8")])
def test_a_folder_must_hold_one_checkpoint(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        Bundle(SMALL).write(tmp_path / name)
    with pytest.raises(UserError, match="holds 2 checkpoints; give one" if names else "ends in .index"):
        tensor_bundle.find(tmp_path)
    if names:
        assert tensor_bundle.find(tmp_path / "model8") == tmp_path / "model8"
        for kind in ("index", "data-00000-of-00001"):
            with pytest.raises(UserError, match=r"one of a checkpoint's two files: .* begin with, .*model8$"):
                tensor_bundle.find(tmp_path / f"model8.{kind}")


@pytest.mark.parametrize("name", ["model", "model0", "model1234567890"])
def test_a_name_without_its_iteration(tmp_path: Path, name: str) -> None:
    Bundle(variables(1, 2, 2, 5)).write(tmp_path / name)
    with pytest.raises(UserError, match="must end in the iteration"):
        checkpoint.read(tmp_path)
