"""Archives: read without unpacking, and refused if they could do harm."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile

import pytest

from bench.data.readers import archives, copies, packed
from bench.data.readers.archives import read_archives
from bench.data.readers.copies import FolderFiles
from bench.data.readers.plain_pickles import load_plain

FORMS = ["tar", "tar.gz", "tar.xz", "tar.bz2", "zip"]


def _tar(path, members):
    """`members`: TarInfo, content."""
    with tarfile.open(path, "w:" + path.name.partition(".tar")[2].lstrip(".")) as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def _archive(path, contents):
    if path.suffix != ".zip":
        return _tar(path, [(tarfile.TarInfo(name), data) for name, data in contents.items()])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


CONTENTS = {"a/one.jpg": b"1" * 5000, "two.JPG": bytes(range(256)) * 40, "three.txt": b"3", "a/._one.jpg": b"macOS"}


@pytest.mark.parametrize("form", FORMS)
def test_the_wanted_files_are_read(tmp_path, form):
    path = _archive(tmp_path / f"x.{form}", CONTENTS)
    assert read_archives([path], (".jpg",)) == {name: CONTENTS[name] for name in ("a/one.jpg", "two.JPG")}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "a\\..\\x.jpg", "C:\\x.jpg", "../x.txt"])
def test_paths_that_lead_out_are_refused(tmp_path, refused, form, name):
    path = _archive(tmp_path / f"x.{form}", {"fine.jpg": b"1", name: b"2"})
    line = refused(read_archives, [path], (".jpg",))
    assert str(path) in line and "points outside the archive" in line


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, refused, kind):
    member = tarfile.TarInfo("x.jpg")
    member.type, member.linkname = kind, "/etc/passwd"
    assert "link or a device" in refused(read_archives, [_tar(tmp_path / "x.tar", [(member, b"")])], (".jpg",))


def test_links_in_a_zip_are_refused(tmp_path, refused):
    member = zipfile.ZipInfo("x.jpg")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    assert "link or a device" in refused(read_archives, [tmp_path / "x.zip"], (".jpg",))


@pytest.mark.parametrize("limit, most", [("MOST_MEMBERS", 2), ("MOST_BYTES", 20_000), ("MOST_BYTES_EACH", 4_999)])
@pytest.mark.parametrize("form", FORMS)
def test_archives_that_would_fill_the_memory_are_refused(tmp_path, refused, monkeypatch, form, limit, most):
    path = _archive(tmp_path / f"x.{form}", {f"{k}.jpg": b"0" * 5000 for k in range(5)})
    assert len(read_archives([path], (".jpg",))) == 5
    monkeypatch.setattr(archives, limit, most)
    assert "more than" in refused(read_archives, [path], (".jpg",))


@pytest.mark.parametrize("form", FORMS[:-1])
def test_what_is_not_wanted_counts_too(tmp_path, refused, monkeypatch, form):
    """As far as it was packed to a fraction of its size: a tar that was not cannot hold more than it is long."""
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    path = _archive(tmp_path / f"x.{form}", {"x.bin": b"0" * 50_000, "x.jpg": b"1"})
    if form == "tar":
        assert read_archives([path], (".jpg",)) == {"x.jpg": b"1"}
    else:
        assert "refused, because it unpacks to more than" in refused(read_archives, [path], (".jpg",))


@pytest.mark.parametrize("form", FORMS[1:-1])
def test_a_name_that_would_fill_the_memory_is_refused(tmp_path, refused, form):
    """A few KiB that unpack to a file name of 64 MiB, which tarfile would read completely."""
    path = _archive(tmp_path / f"x.{form}", {"x" * (1 << 26) + ".jpg": b"1"})
    assert path.stat().st_size < 1 << 17
    assert "a name of" in refused(read_archives, [path], (".jpg",))


def test_a_zip_that_understates_a_size_is_refused(tmp_path, refused):
    path = _archive(tmp_path / "x.zip", {"x.jpg": b"0" * 5000})
    data = path.read_bytes()
    assert data.count((5000).to_bytes(4, "little")) == 2
    path.write_bytes(data.replace((5000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    assert "damaged" in refused(read_archives, [path], (".jpg",))


@pytest.mark.parametrize("form", FORMS)
def test_truncated_archives_are_one_line(tmp_path, refused, form):
    noise = bytes((k * k * 2654435761 >> 7) & 255 for k in range(20_000))
    path = _archive(tmp_path / f"x.{form}", {"one.jpg": noise, "two.jpg": noise})
    path.write_bytes(path.read_bytes()[:15_000])
    line = refused(read_archives, [path], (".jpg",))
    assert str(path) in line and "damaged" in line


def test_what_is_no_archive_is_one_line(tmp_path, refused):
    for form in FORMS:
        (tmp_path / f"x.{form}").write_bytes(b"no archive at all")
        assert f"x.{form}: damaged or not an archive" in refused(read_archives, [tmp_path / f"x.{form}"], (".jpg",))


def test_one_name_in_two_archives_is_refused(tmp_path, refused):
    paths = [_archive(tmp_path / f"{k}.zip", {"x.jpg": b"1"}) for k in range(2)]
    assert "x.jpg is in another archive too" in refused(read_archives, paths, (".jpg",))


def test_what_was_passed_over_stands_in_the_order_of_the_archives(tmp_path):
    """The first archive is the slower one: both are read at the same time."""
    slow = _archive(tmp_path / "a.tar.xz", {"x.jpg": bytes(range(256)) * 40_000, "x.pkl": b""})
    quick = _archive(tmp_path / "b.zip", {"y.jpg": b"1", "y.pkl": b""})
    others: archives.Others = []
    read_archives([slow, quick], (".jpg",), others)
    assert others == [(slow, "x.pkl"), (quick, "y.pkl")]


def test_a_folder_is_read_with_the_folders_in_it_and_those_it_links_to(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "b").mkdir(parents=True)
    (elsewhere / "b" / "x.jpg").write_bytes(b"1")
    folder = tmp_path / "folder"
    (folder / ".hidden").mkdir(parents=True)
    (folder / ".hidden" / "z.jpg").write_bytes(b"3")
    (folder / "y.txt").write_bytes(b"2")
    (folder / "a").symlink_to(elsewhere)
    assert dict(FolderFiles(folder)) == {"a/b/x.jpg": b"1", "y.txt": b"2"}


def test_a_folder_that_holds_itself_ends(tmp_path, refused, monkeypatch):
    monkeypatch.setattr(copies, "MOST_FILES", 10)
    (tmp_path / "x.jpg").write_bytes(b"1")
    (tmp_path / "again").symlink_to(tmp_path)
    assert "more than 10 files" in refused(FolderFiles, tmp_path)


def test_hidden_files_in_archives_are_passed_over_as_in_folders(tmp_path):
    hidden = ["._train.pkl", "a/.ipynb_checkpoints/one-checkpoint.jpg", "__MACOSX/a/._one.jpg", "@eaDir/one.jpg"]
    contents = dict.fromkeys([*hidden, "./a/one.jpg", "train.pkl"], b"1")
    for form in ("tar", "zip"):
        others: archives.Others = []
        path = _archive(tmp_path / f"x.{form}", contents)
        assert list(read_archives([path], (".jpg",), others)) == ["./a/one.jpg"]
        assert others == [(path, "train.pkl")]


def test_a_zip_of_windows_with_backslashes_has_folders(tmp_path):
    path = _archive(tmp_path / "x.zip", {"a\\": b"", "a\\one.jpg": b"1", "a\\two.pkl": b"2"})
    others: archives.Others = []
    assert read_archives([path], (".jpg",), others) == {"a/one.jpg": b"1"} and others == [(path, "a/two.pkl")]
    with packed.open_file(path / "a/two.pkl") as (file, _):
        assert file.read() == b"2"


@pytest.mark.parametrize(("field", "value"), [("flag_bits", 1), ("compress_type", 9)])
def test_a_zip_that_is_encrypted_or_compressed_in_another_way_is_not_called_damaged(tmp_path, refused, field, value):
    place = {"flag_bits": (6, 8), "compress_type": (8, 10)}[field]
    data = bytearray(_archive(tmp_path / "x.zip", {"one.jpg": b"1", "two.pkl": b"2"}).read_bytes())
    for start, offset in zip((b"PK\x03\x04", b"PK\x01\x02"), place, strict=True):
        at = -1
        while (at := data.find(start, at + 1)) >= 0:
            data[at + offset] = value
    (tmp_path / "x.zip").write_bytes(data)
    for line in (
        refused(read_archives, [tmp_path / "x.zip"], (".jpg",)),
        refused(load_plain, tmp_path / "x.zip/two.pkl"),
    ):
        assert "cannot be opened here" in line and "unpack it with another program" in line and "damaged" not in line
