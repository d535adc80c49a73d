"""A user's own images: any format, one folder per class, split by a seed or by the folders."""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.data import adding, catalogue, listing, store
from bench.data.readers import folder, image_files

FORMATS = ["png", "jpg", "bmp", "gif", "webp", "tiff"]


def write_classes(path: Path, classes: int, images: int = 6) -> Path:
    """Writes classes of random images, which differ in size and format within a class."""
    random = np.random.default_rng(len(path.name))
    for k in range(classes):
        (path / f"class{k:02}").mkdir(parents=True)
        for i in range(images):
            pixels = random.integers(0, 256, (20 + i, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path / f"class{k:02}" / f"{i}.{FORMATS[i % len(FORMATS)]}")
    return path


def add(
    path: Path, home: Path, partial: bool = False, side: int = 16, grey: bool = False, seed: int | None = None
) -> dict:
    return adding.add_as("mine", catalogue.own("mine", side, grey, seed), path, home, partial)


def splits(manifest: dict) -> dict[str, str]:
    return {c["name"]: c["split"] for c in manifest["classes"]}


def test_every_format_becomes_a_square(tmp_path, home):
    manifest = add(write_classes(tmp_path / "photos", 5), home)
    images = store.load("mine", home)
    assert images.images.shape == (30, 16, 16, 3) and images.name == "mine" and images.known_as is None
    assert manifest["counts"] == {"train": 3, "valid": 1, "test": 1} and not manifest["partial"]
    assert "split by seed 0" in manifest["source"]["kind"]
    assert store.benchmark("mine-3w2s", home).input_shape == (3, 16, 16)
    assert all(check["ok"] for check in listing.verify(home))
    assert {row["source"]: row["here"] for row in listing.available(home)}["mine"]


def test_the_order_of_files_and_classes_changes_nothing(tmp_path, home):
    photos = write_classes(tmp_path / "photos", 5)
    first = add(photos, home)["digest"]
    for number, file in enumerate(sorted(photos.rglob("*.*"))):
        file.rename(file.with_name(f"{99 - number}{file.suffix}"))
    assert add(photos, home)["status"] == "kept"
    assert add(photos, home, seed=1)["digest"] != first


def test_a_folder_that_was_renamed_is_another_data_set(tmp_path, home):
    add(write_classes(tmp_path / "photos", 3), home)
    (home / "mine").rename(home / "yours")
    assert store.load("yours", home).name == "yours" and listing.own_shapes(home) == {"yours": (3, 16, 16)}


def test_grey(tmp_path, home):
    add(write_classes(tmp_path / "photos", 3), home, grey=True)
    assert store.load("mine", home).images.shape == (18, 16, 16, 1)


def test_a_split_by_seed_is_miniimagenets_and_moves_few_classes():
    names = [f"c{k}" for k in range(100)]
    found = folder.split_by_seed(names, 0)
    assert Counter(found.values()) == {"train": 64, "valid": 16, "test": 20}
    assert found == folder.split_by_seed(names[::-1], 0) != folder.split_by_seed(names, 1)
    # Pinned: the same names are split the same way by every version, on every machine.
    assert [name for name in names if found[name] == "valid"][:4] == ["c15", "c16", "c18", "c19"]
    more = folder.split_by_seed([*names, "another"], 0)
    assert sum(found[name] != more[name] for name in names) <= 3


def test_the_split_of_the_folders(tmp_path, home):
    photos = tmp_path / "photos"
    for name in ("train", "val", "test"):
        write_classes(photos / name, 2)
        for each in list((photos / name).iterdir()):
            each.rename(each.with_name(f"{name}{each.name}"))
    manifest = add(photos, home)
    assert manifest["counts"] == {"train": 2, "valid": 2, "test": 2}
    assert splits(manifest)["valclass01"] == "valid" and "split of the folders" in manifest["source"]["kind"]


def test_splits_in_capitals_and_what_stands_beside_splits(tmp_path, home, refused):
    photos = tmp_path / "photos"
    for number, name in enumerate(("Train", "VAL", "Test")):
        folder = write_classes(photos / name, 2)
        for inner in list(folder.iterdir()):
            inner.rename(folder / f"{inner.name} of {number}")
    write_classes(photos / "__MACOSX", 1)  # what an archive from a Mac leaves behind
    assert add(photos, home)["counts"] == {"train": 2, "valid": 2, "test": 2}
    write_classes(photos / "docs", 1)
    assert "docs beside the splits Test, Train, VAL: move it elsewhere" in refused(add, photos, home)


def test_a_class_may_be_called_train(tmp_path, home):
    photos = write_classes(tmp_path / "photos", 4)
    (photos / "class00").rename(photos / "train")
    assert sum(add(photos, home)["counts"].values()) == 4


def test_broken_files_are_all_named_and_counted(tmp_path, home, refused):
    photos = write_classes(tmp_path / "photos", 4)
    (photos / "class00" / "0.png").write_bytes(b"no image")
    (photos / "class02" / "1.jpg").write_bytes((photos / "class02" / "1.jpg").read_bytes()[:60])
    (photos / "class02" / "notes.txt").write_text("no image, and not called one")
    line = refused(add, photos, home)
    assert "2 image files" in line and "class00/0.png" in line and "class02/1.jpg" in line and "--partial" in line
    assert not (home / "mine").exists()
    manifest = add(photos, home, partial=True)
    no_image, cut_short = manifest["corrupt"]
    assert no_image == "class00/0.png (in no known format)" and manifest["shape"][0] == 22 and manifest["partial"]
    assert cut_short.startswith("class02/1.jpg (") and "1 other file ignored" in manifest["source"]["kind"]


def test_hidden_files_and_loose_ones_are_no_images(tmp_path, home):
    photos = write_classes(tmp_path / "photos", 4)
    for place in (".ipynb_checkpoints", "@eaDir"):
        (photos / "class00" / place).mkdir()
        (photos / "class00" / place / "0.png").write_bytes((photos / "class00" / "0.png").read_bytes())
    (photos / "stray.png").write_bytes((photos / "class01" / "0.png").read_bytes())
    (photos / "notes.csv").write_text("1")
    manifest = add(photos, home)
    assert manifest["shape"][0] == 24 and "2 other files ignored" in manifest["source"]["kind"]


def test_a_split_that_loses_all_its_images_is_refused(tmp_path, home, refused):
    photos = write_classes(tmp_path / "photos", 3)
    lost = next(
        name for name, split in folder.split_by_seed([f"class{k:02}" for k in range(3)], 0).items() if split == "test"
    )
    for file in (photos / lost).iterdir():
        file.write_bytes(b"no image")
    assert "no readable image in any test class" in refused(add, photos, home, partial=True)
    assert not (home / "mine").exists()


def test_a_seed_of_the_split_is_refused_where_the_folders_are_it(tmp_path, home, refused):
    for split in ("train", "valid", "test"):
        write_classes(tmp_path / "photos" / split, 1)
        (tmp_path / "photos" / split / "class00").rename(tmp_path / "photos" / split / f"of_{split}")
    assert "--split-seed 5" in refused(add, tmp_path / "photos", home, seed=5)
    assert add(tmp_path / "photos", home)["counts"] == {"train": 1, "valid": 1, "test": 1}


def test_what_no_class_can_be_made_of(tmp_path, home, refused):
    photos = write_classes(tmp_path / "photos", 2)
    assert "2 classes: at least 3 are needed" in refused(add, photos, home)
    (photos / "empty").mkdir()
    assert "the images of 1 class (empty)" in refused(add, photos, home)
    assert "not a folder" in refused(add, photos / "class00" / "0.png", home)
    (photos / "class\nnew").mkdir()
    assert "not one line of text" in refused(add, photos, home)


def test_a_class_in_two_splits_or_a_split_that_lacks(tmp_path, home, refused):
    photos = tmp_path / "photos"
    write_classes(photos / "train", 2)
    write_classes(photos / "test", 1)
    assert "class00 is in train and in test" in refused(add, photos, home)
    (photos / "test" / "class00").rename(photos / "test" / "other")
    assert "split 'valid'" in refused(add, photos, home)
    write_classes(photos / "valid", 1)
    assert "class00 is in train and in valid" in refused(add, photos, home)


@pytest.mark.parametrize(
    "name", ["omniglot", "cub", "cifarfs", "cifar-fs", "folder", "tiny", "a-5w1s", "../x", "Up", ""]
)
def test_names_that_cannot_be(name, refused):
    assert "--name" in refused(catalogue.own, name, 84, False, 0)


@pytest.mark.parametrize("side", [15, 257])
def test_sizes_that_cannot_be(side, refused):
    assert "16 to 256" in refused(catalogue.own, "mine", side, False, 0)


def test_images_that_only_lie_where_data_would_go_are_left_alone(tmp_path, refused):
    photos = write_classes(tmp_path / "mine", 3)
    assert "is not changed" in refused(add, photos, tmp_path)
    assert len(list(photos.rglob("*.*"))) == 18


def _bytes(image: Image.Image, kind: str = "PNG", **named: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **named)
    return out.getvalue()


def test_an_image_is_read_as_it_is_shown():
    half = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    assert (image_files.decode_to_fit(_bytes(half), "x", 16, "RGB") == 255).all()
    turned = Image.new("RGB", (40, 20))
    turned.paste((255, 0, 0), (0, 0, 40, 10))
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    pixels = image_files.decode_to_fit(_bytes(turned, exif=exif), "x", 16, "RGB")
    assert pixels[0].max() == 0 and (pixels[-1, :, 0] == 255).all()


def test_the_middle_square_is_what_stays():
    wide = Image.new("RGB", (60, 20))
    wide.paste((0, 255, 0), (15, 0, 45, 20))  # what lies further out must not be seen
    assert (image_files.decode_to_fit(_bytes(wide), "x", 16, "RGB")[..., 1] == 255).all()


def _deep_png() -> bytes:
    """A PNG of 20 x 20 pixels with 16 bits per channel, which Pillow can read but not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(20 * (b"\0" + 20 * b"\x12\x34\x56\x78\x9a\xbc"))
    header = struct.pack(">IIBBBBB", 20, 20, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_deep_and_huge_images_are_not_read_wrongly(monkeypatch):
    deep = Image.fromarray(np.full((20, 20), 20_000, np.uint16))
    with pytest.raises(ValueError, match="8 bits"):
        image_files.decode_to_fit(_bytes(deep), "x", 16, "L")
    with pytest.raises(ValueError, match="8 bits"):
        image_files.decode_to_fit(_deep_png(), "x", 16, "RGB")
    assert image_files.decode_to_fit(_bytes(Image.new("RGB", (9, 9), "red")), "x", 16, "RGB").shape == (16, 16, 3)
    monkeypatch.setattr(image_files, "MOST_PIXELS", 399)
    with pytest.raises(ValueError, match="20x20 pixels"):
        image_files.decode_to_fit(_bytes(Image.new("L", (20, 20))), "x", 16, "L")


def test_no_other_program_is_started_to_draw_an_image():
    assert (
        ".eps" not in image_files.readable_suffixes() and {".png", ".jpg", ".webp"} <= image_files.readable_suffixes()
    )


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "TGA", "PPM"]), st.data())
def test_a_damaged_image_is_read_or_noted(kind, data):
    content = bytearray(_bytes(Image.new("RGB", (20, 24), (200, 10, 99)), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(content)[: data.draw(st.integers(0, len(content)))]
    corrupt: list[str] = []
    images = image_files.decode({"x": content}, ["x"], 16, "RGB", corrupt, image_files.decode_to_fit)
    assert images.shape == (1 - len(corrupt), 16, 16, 3)
