"""How steps were executed, as stored in records: equal bits are promised if all of these values are equal, and only
then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from bench import provenance
from bench.networks.layers import ALONE, LAYERS
from bench.records.fields import Corrupt
from bench.training.execution import MODES, Execution


@dataclass(frozen=True, kw_only=True)
class ExecutionRecord:
    """How steps were executed, and for a training also how its validation was. None means not recorded, in records from
    before there was a choice. `seeds`: those that trained together."""

    device: str
    mode: str | None = None
    chunk: int
    layers: str | None = None
    threads: int
    deterministic: bool | None = None
    validation_chunk: int | None = None
    seeds: Sequence[int] | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, runner: Execution, validation: Execution | None = None, seeds: Sequence[int] | None = None
    ) -> ExecutionRecord:
        """The record of an execution on this machine."""
        return cls(
            device=str(runner.device),
            mode=runner.mode,
            chunk=runner.chunk,
            layers=runner.layers,
            threads=torch.get_num_threads(),
            deterministic=torch.are_deterministic_algorithms_enabled(),
            validation_chunk=None if validation is None else validation.chunk,
            seeds=seeds,
            environment=provenance.describe(),
        )

    @classmethod
    def read(cls, where: Path | str, info: Mapping[str, Any]) -> Self:
        """The execution stored in the JSON of a run or an evaluation. Raises Corrupt if it is impossible."""
        try:
            stated = info["execution"]
            known = {name: stated[name] for name in cls.__dataclass_fields__ if name in stated}
            found = cls(**known | {"environment": info.get("environment") or {}})
            if not found._possible:
                raise ValueError
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise Corrupt(f"{where}: the recorded execution settings are impossible: the record was edited") from error
        return found

    @property
    def stated(self) -> dict[str, Any]:
        """The fields that a record stores as `execution`."""
        return {name: value for name, value in vars(self).items() if value is not None and name != "environment"}

    @property
    def _possible(self) -> bool:
        counts = (self.chunk, self.threads, self.validation_chunk or 1)
        numbers = all(type(count) is int and 1 <= count <= 2**31 for count in counts)
        words = self.mode in (None, *MODES) and self.layers in (None, *LAYERS)
        known = self.device.partition(":")[0] in ("cpu", "cuda") and type(self.deterministic) in (bool, type(None))
        seeds = all(type(seed) is int for seed in self.seeds or ())
        return numbers and words and known and seeds and not (self.layers in ALONE and self.chunk != 1)
