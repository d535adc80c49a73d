"""Real data if they are available, and small copies of both data sets in every accepted form."""

from __future__ import annotations

import importlib.util
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from bench.data import adding, embedded_omniglot
from bench.errors import UserError
from bench.tools.torchvision_compat import import_torchvision
from tests.data.small import Small, encoded, write_torchmeta

REAL = Path(__file__).parents[2].parent / "shared" / "data"


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
    """A data directory with the complete real miniImageNet (1.3 GB, therefore deleted afterwards)."""
    home = tmp_path_factory.mktemp("real")
    adding.add("mini-imagenet", real_mini_imagenet, home)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def torchmeta() -> ModuleType:
    """torchmeta 1.8.0, made importable next to a torch and torchvision that are years younger."""
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
    """Calls a function that must raise a UserError of one line, and returns that line."""

    def call(function: Callable, *arguments: object, **named: object) -> str:
        with pytest.raises(UserError) as raised:
            function(*arguments, **named)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return call


@pytest.fixture(scope="session")
def small_copy() -> Small:
    """4 classes of 4 images; one image is twice in a class, one in two training classes, and one in two splits."""
    random = np.random.Generator(np.random.Philox(0))
    owners = [("train", "n01532829"), ("train", "n01558993"), ("valid", "n01855672"), ("test", "n01930112")]
    jpegs = {owner: {f"{owner[1]}{i:08d}.jpg": encoded(random, (84, 84), "JPEG") for i in range(4)} for owner in owners}
    one, two, three, _ = jpegs.values()
    first = [list(files) for files in jpegs.values()]
    one[first[0][3]] = one[first[0][0]]
    two[first[1][0]] = one[first[0][1]]
    three[first[2][0]] = one[first[0][2]]
    return Small(jpegs)


@pytest.fixture(scope="session")
def characters() -> dict[str, np.ndarray]:
    """Three characters of the real Omniglot, from the embedded file: uint8 [20, 105, 105, 1], ink 255."""
    classes = embedded_omniglot.open_embedded().classes
    return {c.name: c.read() for c in (classes[0], classes[700], classes[1622])}


@pytest.fixture(scope="session")
def write_png() -> Callable[[np.ndarray], bytes]:
    """Writes a drawing [105, 105, 1] in its original form: a 1-bit PNG with black ink."""

    def write(drawing: np.ndarray) -> bytes:
        out = io.BytesIO()
        Image.fromarray(drawing[..., 0] == 0).save(out, "PNG")
        return out.getvalue()

    return write


@pytest.fixture(scope="session")
def torchmeta_writer() -> Callable[..., None]:
    return write_torchmeta
