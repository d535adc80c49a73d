"""HDF5 files: nothing outside the file itself is read."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from bench.data.readers.hdf5 import arrays, count_of, open_hdf5

IMAGES = np.zeros((2, 84, 84, 3), np.uint8)


def _virtual(group: h5py.Group, secret: str) -> None:
    layout = h5py.VirtualLayout(IMAGES.shape, np.uint8)
    layout[:] = h5py.VirtualSource(secret, "x", IMAGES.shape)
    group.create_virtual_dataset("x", layout)


LEADS_OUT = {
    "a link to another file": lambda group, secret: group.__setitem__("x", h5py.ExternalLink(secret, "/x")),
    "a link within": lambda group, secret: group.__setitem__("x", h5py.SoftLink("/datasets")),
    "storage in another file": lambda group, secret: group.create_dataset(
        "x", IMAGES.shape, np.uint8, external=[(secret, 0, IMAGES.nbytes)]
    ),
    "a virtual array": _virtual,
}


@pytest.mark.parametrize("way", LEADS_OUT)
def test_what_leads_out_of_the_file_is_refused(tmp_path, refused, way):
    with h5py.File(tmp_path / "secret.hdf5", "w") as secret:
        secret.create_dataset("x", data=IMAGES + 7)
    with h5py.File(tmp_path / "data.hdf5", "w") as file:
        LEADS_OUT[way](file.create_group("datasets"), str(tmp_path / "secret.hdf5"))
    path = tmp_path / "data.hdf5"
    line = refused(lambda: list(arrays(path, open_hdf5(path))))
    assert "points outside the file" in line and str(path) in line


def test_objects_are_not_images(tmp_path, refused):
    path = tmp_path / "data.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("datasets/x", data=["text"], dtype=h5py.string_dtype())
    ((name, array),) = arrays(path, open_hdf5(path))
    assert "not uint8" in refused(count_of, path, name, array, (84, 84, 3))


def test_groups_in_groups_without_end_are_refused(tmp_path, refused):
    path = tmp_path / "data.hdf5"
    with h5py.File(path, "w") as file:
        file["datasets/itself"] = file.create_group("datasets")
    assert "without end" in refused(lambda: list(arrays(path, open_hdf5(path))))
