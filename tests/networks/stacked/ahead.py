"""Compiles kernels without a device, and reports registers, spills and instructions of everything that some operations
launch. Only the shapes of tensors are needed (device "meta")."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

_POINTERS = {torch.float32: "*fp32", torch.float64: "*fp64", torch.int8: "*i8", torch.int64: "*i64"}
_CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


class Launch(NamedTuple):
    """A kernel with the arguments of one launch."""

    kernel: JITFunction[Any]
    arguments: tuple[Any, ...]
    options: dict[str, int]

    @property
    def name(self) -> str:
        """The kernel's name."""
        return str(self.kernel.__name__)


class Compiled(NamedTuple):
    """The result of compiling a launch. `spills`: loads and stores of registers that do not fit; `instructions`: the
    number of each kind."""

    registers: int
    spills: int
    shared_bytes: int
    instructions: Counter[str]

    def count(self, prefix: str) -> int:
        """The number of instructions whose names begin with a prefix."""
        return sum(number for name, number in self.instructions.items() if name.startswith(prefix))


def launches(work: Callable[[], Any]) -> list[Launch]:
    """Everything that `work` launches, in order; nothing is executed."""
    with _recorded() as found:
        work()
    return found


@contextmanager
def _recorded() -> Iterator[list[Launch]]:
    found: list[Launch] = []

    def run(self: JITFunction[Any], *arguments: Any, grid: Any, warmup: bool, **options: int) -> None:
        found.append(Launch(self, arguments, options))

    before = JITFunction.run
    JITFunction.run = run
    try:
        yield found
    finally:
        JITFunction.run = before


def compiled(launch: Launch, capability: int) -> Compiled:
    """Compiles a launch for GPUs of this compute capability (80, 90, ...)."""
    made = triton.compile(source(launch), target=GPUTarget("cuda", capability, 32), options=launch.options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        usage, code = (_dumped(what, file.name) for what in ("--dump-resource-usage", "--dump-sass"))
    names = re.findall(r"/\*[0-9a-f]{4,5}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", code)
    counts = Counter(names)
    spills = sum(counts[name] for name in counts if name.split(".")[0] in ("LDL", "STL"))
    (registers,) = re.findall(r"REG:(\d+)", usage)
    return Compiled(int(registers), spills, made.metadata.shared, counts)


def source(launch: Launch) -> ASTSource:
    """The kernel specialised as on a device: which arguments are constant, and which pointers are aligned to 16
    bytes."""
    signature, constants, attributes = {}, {}, {}
    for index, (parameter, value) in enumerate(zip(launch.kernel.params, launch.arguments, strict=True)):
        if parameter.is_constexpr or value is None:
            signature[parameter.name] = "constexpr"
            constants[(index,)] = value
        elif isinstance(value, Tensor):
            signature[parameter.name] = _POINTERS[value.dtype]
            attributes[(index,)] = [["tt.divisibility", 16]]
        else:
            signature[parameter.name] = "i32"
    return ASTSource(launch.kernel, signature, constants, attributes)


def _dumped(what: str, file: str) -> str:
    return subprocess.run([_CUOBJDUMP, what, file], check=True, capture_output=True, text=True).stdout
