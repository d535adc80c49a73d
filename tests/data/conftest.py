"""Real data where they are, and small copies of both data sets in every form that is accepted."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import pickle
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
from PIL import Image

from bench.data import omniglot, store
from bench.errors import UserError
from bench.torchvision_compat import import_torchvision

REAL = Path(__file__).parents[2].parent / "shared" / "data"
FILES = {"train": "train", "valid": "val", "test": "test"}


def _real(name: str) -> Path:
    if not (REAL / name).is_dir():
        pytest.skip(f"the real {name} is not at {REAL / name}")
    return REAL / name


@pytest.fixture(scope="session")
def real_omniglot() -> Path:
    return _real("omniglot")


@pytest.fixture(scope="session")
def real_mini_imagenet() -> Path:
    return _real("mini-imagenet")


@pytest.fixture(scope="session")
def prepared_mini_imagenet(real_mini_imagenet: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory with all of the real miniImageNet (1.3 GB, so it does not stay)."""
    home = tmp_path_factory.mktemp("real")
    store.add("mini-imagenet", real_mini_imagenet, home)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def torchmeta() -> ModuleType:
    """torchmeta 1.8.0, beside a torch and torchvision years younger."""
    if importlib.util.find_spec("torchmeta") is None:
        pytest.skip("torchmeta is not installed")
    import_torchvision()
    import torchvision.datasets.utils as utils

    for gone in ("_get_confirm_token", "_save_response_content"):
        if not hasattr(utils, gone):
            setattr(utils, gone, None)
    import torchmeta.datasets
    import torchmeta.transforms
    from torchmeta.utils.data.task import SubsetTask

    SubsetTask.__getitems__ = lambda task, indices: [task[index] for index in indices]
    return torchmeta


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty data directory."""
    return tmp_path / "home"


@pytest.fixture
def refused() -> Callable[..., str]:
    """Calls a function that must raise UserError with one line; gives the line."""

    def call(function: Callable, *arguments: object, **named: object) -> str:
        with pytest.raises(UserError) as raised:
            function(*arguments, **named)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return call


@dataclass(frozen=True)
class Small:
    """A few images of a few classes of miniImageNet: (split, class) -> file name -> JPEG."""

    jpegs: dict[tuple[str, str], dict[str, bytes]]

    def pixels(self, split: str) -> dict[str, np.ndarray]:
        """Class -> uint8 [images, 84, 84, 3]."""
        return {
            name: np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in files.values()])
            for (owner, name), files in self.jpegs.items()
            if owner == split
        }

    def images(self) -> dict[str, bytes]:
        return {name: data for files in self.jpegs.values() for name, data in files.items()}

    def write_csv(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for split, file in FILES.items():
            rows = [(name, label) for (owner, label), names in self.jpegs.items() if owner == split for name in names]
            with open(folder / f"{file}.csv", "w", newline="") as table:
                csv.writer(table).writerows([("filename", "label"), *rows])

    def write_folder(self, folder: Path) -> Path:
        self.write_csv(folder)
        (folder / "images").mkdir()
        for name, data in self.images().items():
            (folder / "images" / name).write_bytes(data)
        return folder

    def write_tars(self, folder: Path, compression: str) -> Path:
        """The CSV files beside two archives."""
        self.write_csv(folder)
        images = list(self.images().items())
        for part in (0, 1):
            suffix = f".{compression}" if compression else ""
            with tarfile.open(folder / f"part{part}.tar{suffix}", f"w:{compression}") as archive:
                for name, data in images[part::2]:
                    member = tarfile.TarInfo(f"images/{name}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return folder

    def write_zip(self, folder: Path) -> Path:
        """One archive with everything, in a folder of its own within."""
        self.write_csv(folder / "tables")
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            for name, data in self.images().items():
                archive.writestr(f"mini/images/{name}", data)
            for file in FILES.values():
                archive.write(folder / "tables" / f"{file}.csv", f"mini/{file}.csv")
        return folder / "all.zip"

    def caches(self) -> dict[str, dict]:
        """File name -> what torchmeta's download and others hold: the images of a split mixed, and indices."""
        return {f"mini-imagenet-cache-{file}.pkl": _mixed(self.pixels(split)) for split, file in FILES.items()}

    def write_pickles(self, folder: Path, dumps: Callable[[dict], bytes] = pickle.dumps) -> Path:
        folder.mkdir(parents=True)
        for name, cache in self.caches().items():
            (folder / name).write_bytes(dumps(cache))
        return folder

    def write_hdf5(self, folder: Path) -> Path:
        """As torchmeta writes it, in its folder `miniimagenet`."""
        (folder / "miniimagenet").mkdir(parents=True)
        for split, file in FILES.items():
            write_torchmeta(folder / "miniimagenet", file, self.pixels(split))
        return folder


def _mixed(pixels: dict[str, np.ndarray]) -> dict:
    names = [name for name, images in pixels.items() for _ in images]
    order = random.Random(1).sample(range(len(names)), len(names))
    images = np.concatenate(list(pixels.values()))[order]
    return {"image_data": images, "class_dict": {n: [k for k, i in enumerate(order) if names[i] == n] for n in pixels}}


def write_torchmeta(folder: Path, file: str, pixels: dict[str, np.ndarray]) -> None:
    with h5py.File(folder / f"{file}_data.hdf5", "w") as data:
        group = data.create_group("datasets")
        for name, images in pixels.items():
            group.create_dataset(name, data=images)
    (folder / f"{file}_labels.json").write_text(json.dumps(sorted(pixels)))


def _jpeg(random: np.random.Generator) -> bytes:
    out = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (84, 84, 3), np.uint8)).save(out, "JPEG", quality=30)
    return out.getvalue()


@pytest.fixture(scope="session")
def small_copy() -> Small:
    """4 classes of 4 images, among them one twice in a class, one in two training classes, one in two splits."""
    random = np.random.Generator(np.random.Philox(0))
    owners = [("train", "n01532829"), ("train", "n01558993"), ("valid", "n01855672"), ("test", "n01930112")]
    jpegs = {owner: {f"{owner[1]}{i:08d}.jpg": _jpeg(random) for i in range(4)} for owner in owners}
    one, two, three, _ = jpegs.values()
    first = [list(files) for files in jpegs.values()]
    one[first[0][3]] = one[first[0][0]]
    two[first[1][0]] = one[first[0][1]]
    three[first[2][0]] = one[first[0][2]]
    return Small(jpegs)


@pytest.fixture(scope="session")
def characters() -> dict[str, np.ndarray]:
    """Three characters of the real Omniglot, out of the embedded file: uint8 [20, 105, 105, 1], ink 255."""
    classes = omniglot.embedded().classes
    return {c.name: c.read() for c in (classes[0], classes[700], classes[1622])}


@pytest.fixture(scope="session")
def write_png() -> Callable[[np.ndarray], bytes]:
    """The original form of a drawing [105, 105, 1]: a PNG of 1 bit, ink black."""

    def write(drawing: np.ndarray) -> bytes:
        out = io.BytesIO()
        Image.fromarray(drawing[..., 0] == 0).save(out, "PNG")
        return out.getvalue()

    return write


@pytest.fixture(scope="session")
def torchmeta_writer() -> Callable[..., None]:
    return write_torchmeta
