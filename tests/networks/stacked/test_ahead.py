"""What the kernels compile to, without a device: no register spills, sums in a fixed order, and products by the
instructions that the plan for their speed assumes."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

import pytest
import torch
from packaging.version import Version
from torch import Tensor

pytest.importorskip("triton", reason="Triton has packages for Linux on x86-64 alone")

from bench.networks.stacked.engine import StackedEngine
from bench.networks.stacked.triton_operations import TritonOperations
from methods.contract import Episode
from tests.networks.stacked import ahead
from tests.networks.stacked.steps import meta_gradient

WAYS, SHOTS, FILTERS = 5, 5, 32
ATOMICS = {"ATOM", "ATOMG", "ATOMS", "RED", "REDG"}


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor for two episodes that has a shape but no data."""
    return torch.empty((2, *shape), dtype=dtype, device="meta")


def launched(products: str, steps: int, dtype: torch.dtype = torch.float32) -> list[ahead.Launch]:
    """Everything that a meta-step of miniimagenet-5w5s launches."""
    params, channels = {}, 3
    for k in (1, 2, 3, 4):
        params[f"conv{k}.weight"] = meta(FILTERS, channels, 3, 3, dtype=dtype)
        params |= {f"conv{k}.bias": meta(FILTERS, dtype=dtype), f"norm{k}.shift": meta(FILTERS, dtype=dtype)}
        channels = FILTERS
    params |= {"head.weight": meta(WAYS, 25 * FILTERS, dtype=dtype), "head.bias": meta(WAYS, dtype=dtype)}
    engine = StackedEngine(TritonOperations(products), 1e-3, strided=False, averages=False, bound_bytes=2**40)
    counts = WAYS * SHOTS, WAYS * 15
    batch = Episode(
        *(part for count in counts for part in (meta(count, 3, 84, 84, dtype=dtype), meta(count, dtype=torch.int64)))
    )
    return ahead.launches(lambda: meta_gradient(engine, params, batch, steps))


@cache
def of_a_meta_step(products: str, dtype: torch.dtype = torch.float32) -> tuple[ahead.Launch, ...]:
    """The distinct kernels that a meta-step compiles."""
    found = launched(products, 1, dtype)
    return tuple({ahead.source(each).hash() + str(each.options): each for each in found}.values())


def launch(kernel: str, products: str, **constants: int) -> ahead.Launch:
    """The first launch of a kernel with these constants."""
    for each in of_a_meta_step(products):
        own = dict(zip((p.name for p in each.kernel.params), each.arguments, strict=True))
        if each.name == kernel and all(own[name] == value for name, value in constants.items()):
            return each
    raise AssertionError(f"{kernel} is never launched with {constants}")


def is_sound(found: ahead.Compiled) -> bool:
    """Whether nothing spills and there are no atomic sums, whose order would vary."""
    return found.spills == 0 and not ATOMICS & {name.split(".")[0] for name in found.instructions}


planned_here = pytest.mark.skipif(
    Version(version("triton")) >= Version("3.8"),
    reason="tiles are chosen for Triton 3.6 and 3.7; later ones spill some",
)

# What the plan counts on: the kernel, the precision of its products, constants, instruction, how often, registers.
PLANNED = [
    ("product", "ieee", {"LEAVES": 1, "WIDTH": 42}, "FFMA", 1024, 224),
    ("product", "ieee", {"LEAVES": 3}, "FFMA", 1024, 168),  # 128 by Triton 3.6.0
    ("product", "ieee", {"PAIRS": 2, "TRANSPOSED": True, "WIDTH": 42}, "FFMA", 512, 168),
    ("product", "tf32x3", {"LEAVES": 1, "WIDTH": 42}, "HGMMA", 12, 128),
    ("product", "tf32x3", {"LEAVES": 2, "WIDTH": 42}, "HGMMA", 12, 128),
    ("weight_gradient", "ieee", {"WIDTH": 42}, "FFMA", 1536, 168),
    ("weight_gradient", "tf32x3", {"WIDTH": 42}, "HMMA", 72, 168),
    ("tangent_spread", "ieee", {"WIDTH": 42}, "FFMA", 1, 128),
]


@planned_here
@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "products", "constants", "instruction", "times", "registers"), PLANNED)
def test_a_kernel_compiles_to_what_is_planned(
    kernel: str, products: str, constants: dict[str, int], instruction: str, times: int, registers: int
) -> None:
    found = ahead.compiled(launch(kernel, products, **constants), 90)
    assert is_sound(found) and found.registers <= registers
    assert found.count(instruction) >= times
    assert products == "ieee" or found.count("FFMA") < 100  # else it would not be on tensor cores
    assert any("128" in name for name in found.instructions if name.startswith("LDG")) or kernel == "product"


def test_spills_are_seen() -> None:
    """A tile that is too large for one warp."""
    planned = launch("product", "ieee", LEAVES=1, WIDTH=42)
    assert ahead.compiled(planned._replace(options=planned.options | {"num_warps": 1}), 90).spills > 0


def test_a_meta_step_launches_no_more_than_the_plan_has() -> None:
    """With the benchmark's five inner steps."""
    assert len(launched("ieee", 5)) <= 415


@planned_here
@pytest.mark.full
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("products", ["ieee", "tf32x3"])
def test_every_kernel_of_a_meta_step_compiles_without_spills(products: str, capability: int) -> None:
    launches = of_a_meta_step(products)
    assert len({each.name for each in launches}) == 17
    for each in launches:
        found = ahead.compiled(each, capability)
        assert is_sound(found), (each.name, each.options, found.registers, found.spills)


@pytest.mark.full
def test_every_kernel_compiles_in_float64() -> None:
    """A device first tests their results in float64, where spills do not matter."""
    for each in of_a_meta_step("ieee", torch.float64):
        assert ahead.compiled(each, 90).registers > 0, each.name
