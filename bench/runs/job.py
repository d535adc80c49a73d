"""A requested run: what it is computed from, and where its record is stored."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bench import provenance
from bench.episodes.stream import Data, EpisodeStream
from bench.errors import UserError
from bench.protocols import presets
from bench.protocols.benchmarks import Benchmark
from bench.protocols.experiments import Experiment
from bench.protocols.protocol import Protocol
from bench.records.fields import FORMAT
from bench.records.layout import RunKey, run_name
from bench.training.workload import NamedMethod, Workload
from methods.contract import Method


@dataclass(frozen=True, kw_only=True)
class Job:
    """A workload with a seed, under the preset `preset` or a protocol derived from it."""

    workload: Workload
    seed: int
    preset: str
    results: Path
    command: str = ""
    milestones: tuple[int, ...] = ()  # earlier iterations whose weights are also kept and evaluated
    place: Path | None = None  # the record's folder, if the user named one
    experiment: Experiment | None = None  # the experiment that requested the run
    candidate: bool = False  # of a grid: trained, but tested only if chosen

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark that the run is trained on."""
        return self.workload.benchmark

    @property
    def protocol(self) -> Protocol:
        """The protocol that the run is trained and evaluated under."""
        return self.workload.protocol

    @property
    def method(self) -> str:
        """The method's name."""
        return self.workload.method.name

    @property
    def kind(self) -> type[Method]:
        """The method's class. Raises UserError if a user's class lacks a part of the contract."""
        return self.workload.kind

    @cached_property
    def key(self) -> RunKey:
        """What identifies the run."""
        training, digest = self.protocol.training, self.workload.data.digest
        return RunKey(
            benchmark=self.benchmark.name, method=self.method, seed=self.seed, training=training, data_digest=digest
        )

    @cached_property
    def folder(self) -> Path:
        """The folder of the record."""
        return self.place or self.key.folder(self.results)

    @property
    def name(self) -> str:
        """`<benchmark>/<method>/<hash>/seed<k>`: the name of the run in commands."""
        return run_name(self.folder)

    @property
    def described_protocol(self) -> str:
        """The protocol, described by its values as in the report."""
        used, training = self.workload.method.settings, replace(self.protocol.training, code=None)
        return presets.describe(self.benchmark, used, replace(self.protocol, training=training))

    def stream(self, split: str) -> EpisodeStream:
        """The episodes of a split, for training or evaluation, on the device."""
        return self.workload.stream(split, self.seed)

    @property
    def about(self) -> dict[str, Any]:
        """The fields of the record that are known before the run starts."""
        return {
            "format": FORMAT,
            **self.about_run,
            **self.about_request,
            "data": data_of(self.workload.data),
            "environment": provenance.describe(),
        }

    @property
    def about_run(self) -> dict[str, Any]:
        """The fields of the record that describe what is run, with the source file if the method is not built in."""
        method = self.workload.method
        return {
            "benchmark": self.benchmark.name,
            "method": method.name,
            "settings": list(method.settings),
            **({"code": method.about} if method.about else {}),
            "seed": self.seed,
            "preset": self.preset,
            "training": asdict(self.protocol.training),
            "training_hash": self.key.hash,
        }

    @property
    def about_request(self) -> dict[str, Any]:
        """The fields of the record for the command that requested the run, and its experiment file, or None."""
        return {"command": self.command, "experiment": self.experiment and self.experiment.kept}

    def check(self) -> None:
        """Raises UserError if the run is impossible, before anything starts."""
        if self.protocol.training.origin is not None and self.protocol.evaluation.weights == "best":
            raise UserError(
                "weights=best is not available for imported weights: they have one iteration; use weights=last"
            )
        if self.protocol.training.validations == 0 and self.protocol.evaluation.weights == "best":
            raise UserError("weights=best needs validation, and validations=0 has none: use weights=last")
        self.workload.check()
        self.validating().workload.check(("valid",))

    def with_workload(self, **changes: Any) -> Job:
        """This run with some fields of its workload changed."""
        return replace(self, workload=replace(self.workload, **changes))

    def validating(self) -> Job:
        """This run under the evaluation settings of its preset. Validation, and so the best weights, belong to the
        training: they must not depend on which evaluation is requested first."""
        meaning = self.protocol.training.meaning
        evaluation = replace(presets.preset(self.preset, self.benchmark).evaluation, meaning=meaning)
        return self.with_workload(protocol=replace(self.protocol, evaluation=evaluation), tested_on=None)

    @property
    def weights_job(self) -> Job:
        """The run that trains the weights: that of a built-in method if this one only evaluates its weights, else this
        one."""
        if self.kind.weights_of is None:
            return self
        protocol = replace(self.protocol, training=replace(self.protocol.training, code=None))
        return self.with_workload(method=NamedMethod(self.kind.weights_of), protocol=protocol)


def data_of(data: Data) -> dict[str, Any]:
    """The fields of a record that describe data: name and digest, the shape of an input, and remarks about the copy."""
    about = {k: getattr(data, k) for k in ("name", "digest", "known_as", "partial")} | {"shape": list(data.shape)}
    return about | ({"remarks": list(data.remarks)} if data.remarks else {})
