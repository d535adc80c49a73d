"""How a mode of execution is chosen, what it falls back to, and what happens when memory runs out."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench import records
from bench.errors import UserError
from bench.networks.conv4 import conv4, network
from bench.networks.layers import ALONE
from bench.networks.stacked import step as stacked
from bench.protocols import benchmarks, presets
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.records import layout
from bench.training import modes as execution_modes
from bench.training.execution import Execution
from bench.training.watch import Event, Said
from bench.training.workload import NamedMethod, Workload
from methods import METHODS
from methods.contract import Episode, State
from tests.conftest import Command, bench_command, bench_environment, build, double, one_line

CPU = torch.device("cpu")
TINY = ("run", "--benchmark", "tiny")


def test_a_chunk_is_bounded_by_its_activations(small: Benchmark, tiny_protocol: Protocol) -> None:
    def size(benchmark: Benchmark, filters: int, seeds: int = 1) -> int:
        made = network(benchmark, replace(tiny_protocol.training, filters=filters))
        return execution_modes.chunk_size(made, benchmark, 15, 64, CPU, seeds)

    assert size(small, 2048) < size(small, 64) <= 64
    assert size(small, 2048, seeds=2) <= size(small, 2048)
    assert size(replace(small, input_shape=(3, 840, 840)), 2048) == 1
    assert all(64 % size(small, filters) == 0 for filters in (64, 300, 1000, 3000))


@pytest.mark.parametrize(
    ("name", "preset", "modes"),
    [
        ("omniglot-5w1s", "paper", ["compiled", "eager"]),
        ("omniglot-5w1s", "quick", ["eager"]),
        ("miniimagenet-5w5s", "paper", ["eager"]),  # whose images are pooled first, which is faster still
        ("miniimagenet-5w5s", "article", ["eager"]),
        ("omniglot-5w1s", "article", ["compiled", "eager"]),
    ],
)
def test_the_mode_follows_the_whole_training(name: str, preset: str, modes: list[str]) -> None:
    """Compilation takes minutes: it pays for trainings of hours, not for those of minutes."""
    benchmark = benchmarks.get(name)
    made = network(benchmark, presets.preset(preset, benchmark).training)
    assert [each.mode for each in execution_modes.choose(made, benchmark, CPU, 1, 1, None)] == modes


def test_the_engine_is_taken_by_methods_that_say_what_they_do_in_its_terms() -> None:
    """Only on miniImageNet, and not by a class that merely inherits from such a method."""

    class Inherits(METHODS["maml"]):
        def _step(self, images, labels):
            return lambda params: params

    for name, layers in (("miniimagenet-5w5s", "stacked"), ("omniglot-5w1s", "vectorised")):
        benchmark = benchmarks.get(name)
        made = {"method": NamedMethod("maml"), "protocol": presets.quick(benchmark), "data": None, "device": CPU}
        workload = Workload(benchmark=benchmark, mode="eager", **made)
        for seeds in (1, 2):
            assert workload.training_executions(seeds)[0].layers == layers
        assert workload.evaluation_executions()[0].layers == layers
    for changed in (
        *({"blocks": "padded"}, {"inputs": "imagenet"}, {"precision": "bf16"}, {"activation": "leaky-relu"}),
        *({"batch_norm_scale": True}, {"downsampling": "max-pool-same"}),
    ):
        training = replace(presets.quick(benchmarks.get("miniimagenet-5w5s")).training, **changed)
        assert not conv4(benchmarks.get("miniimagenet-5w5s"), training, precision=training.precision).may_stack
    assert stacked.says(METHODS["fomaml"], stacked.GRADIENT) and not stacked.says(Inherits, stacked.GRADIENT)


def test_odd_sizes_whose_rest_is_pooled_are_differentiated_twice_under_vmap(
    small: Benchmark, tiny_protocol: Protocol
) -> None:
    """The result equals that of one episode at a time."""
    benchmark = replace(small, input_shape=(1, 20, 20))
    training = replace(tiny_protocol.training, downsampling="max-pool-same")
    protocol, shape = replace(tiny_protocol, training=training), (1, 2, 6, 1, 20, 20)
    generator, labels = torch.Generator().manual_seed(0), torch.arange(3).repeat(2).repeat(1, 2, 1)
    images = [torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(2)]
    found = []
    for chunk in (1, 2):
        layers = conv4(benchmark, training).fastest_layers("cpu", False, chunk == 1)
        method = build("maml", benchmark, protocol, layers)
        params = double(method.init(torch.Generator().manual_seed(1)).params)
        state = State({name: value[None] for name, value in params.items()}, {})
        episodes = Episode(images[0], labels, images[1], labels)
        found.append(Execution(CPU, chunk, layers=layers).loss_and_gradient(method, state, episodes))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-11)


def test_some_layers_are_for_an_episode_alone() -> None:
    """If training takes one episode at a time, validation does so too, with the same method."""
    for name in ("miniimagenet-5w1s", "miniimagenet-5w5s", "omniglot-5w1s"):
        benchmark = benchmarks.get(name)
        made = {"method": NamedMethod("protonet"), "protocol": presets.quick(benchmark), "data": None, "device": CPU}
        workload = Workload(benchmark=benchmark, **made)
        for seeds in (1, 2):
            alone = workload.training_executions(seeds)[0].layers in ALONE
            assert alone == (name != "omniglot-5w1s" and seeds == 1)
            assert not alone or workload.evaluation_chunk() == 1


def test_images_are_pooled_first_where_there_is_pooling(small: Benchmark, tiny_protocol: Protocol) -> None:
    for layers, changed in (
        ("pooled", {"downsampling": "max-pool"}),
        ("pooled", {"downsampling": "max-pool", "batch_norm_scale": True}),
        ("native", {"downsampling": "stride"}),
    ):
        training = replace(tiny_protocol.training, **changed)
        assert execution_modes.choose(network(small, training), small, CPU, 1, 1, "eager")[0].layers == layers


def test_a_mode_that_was_asked_for_is_taken_or_refused(small: Benchmark, tiny_protocol: Protocol) -> None:
    made = network(small, tiny_protocol.training)
    assert execution_modes.choose(made, small, CPU, 1, 1, "compiled")[0].mode == "compiled"
    with pytest.raises(UserError, match="need --device cuda"):
        execution_modes.choose(made, small, CPU, 1, 1, "graph")


def test_a_mode_that_fails_is_left_with_one_line() -> None:
    said: list[Event] = []

    def attempt(runner: Execution) -> str:
        if runner.mode == "compiled":
            raise RuntimeError("\n\nno compiler\nand much more")
        return runner.mode

    tried = [Execution(CPU, 1, "compiled"), Execution(CPU, 1, "eager")]
    assert execution_modes.first_that_runs(tried, attempt, said.append) == "eager"
    assert said == [Said("mode compiled does not run here, continuing without it: no compiler")]
    with pytest.raises(RuntimeError, match="no compiler"):  # the last one's error is its own
        execution_modes.first_that_runs(tried[:1], attempt, said.append)


def test_a_wrong_mode_is_one_line(typed: Command) -> None:
    assert "did you mean" in one_line(typed(*TINY, "--mode", "compield"))
    assert "need --device cuda" in one_line(typed(*TINY, "--mode", "graph", "--device", "cpu"))


def run(
    folder: Path, data_dir: Path, *more: str, method: str = "maml", **changed: str
) -> subprocess.CompletedProcess[str]:
    command = bench_command((*TINY, "--method", method, "--results", "results", *more))
    environment = bench_environment(data_dir) | changed
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def recorded(folder: Path) -> records.Record:
    (found,) = records.read_all(folder / "results")[0]
    return found


@pytest.mark.slow
def test_without_a_compiler_it_says_so_and_runs(tmp_path: Path, data_dir: Path) -> None:
    cache = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"), "CXX": "/nowhere/c++"}
    result = run(tmp_path, data_dir, "--mode", "compiled", "--iterations", "3", **cache)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    assert result.stderr.count("mode compiled does not run here") == 2  # in training, and in the test
    assert "still compiling" not in result.stderr  # without tracing MAML first, which takes a minute
    record = recorded(tmp_path)
    assert record.info["execution"]["mode"] == record.evaluations[0].info["execution"]["mode"] == "eager"


@pytest.mark.full
def test_a_compiled_run_is_recorded_repeatable_and_close_to_the_eager_one(tmp_path: Path, data_dir: Path) -> None:
    weights = {}
    for name, mode in (("one", "compiled"), ("two", "compiled"), ("other", "eager")):
        (tmp_path / name).mkdir()
        result = run(tmp_path / name, data_dir, "--mode", mode, "--iterations", "3")
        assert result.returncode == 0, result.stderr
        record = recorded(tmp_path / name)
        assert record.info["execution"]["mode"] == record.evaluations[0].info["execution"]["mode"] == mode
        weights[name] = record
    files = {name: record.info["files"][layout.WEIGHTS] for name, record in weights.items()}
    assert files["one"] == files["two"] != files["other"]
    first = {name: record.curve["train_loss"][0] for name, record in weights.items()}
    assert first["one"] == pytest.approx(first["other"], rel=1e-5)


def test_short_of_memory_it_goes_on_from_its_checkpoint_with_half_the_chunk(
    typed: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Really running out of memory ends a process in various ways, so here the step only raises the error."""
    steps, real = [], Execution.loss_and_gradient

    def limited(self: Execution, *arguments: object) -> object:
        steps.append(self.chunk)
        if len(steps) > 3 and self.chunk > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, *arguments)

    monkeypatch.setattr(Execution, "loss_and_gradient", limited)
    result = typed(*TINY, "--results", "results", "--iterations", "6", "--checkpoint-every", "0")
    assert result.returncode == 0, result.stderr
    assert steps == [4, 4, 4, 4, 2, 1, 1, 1]  # iterations 0, 1, 2, then 3 three times, 4 and 5
    assert result.stderr.count("out of memory: continuing with") == 2
    info = recorded(tmp_path).info
    assert info["execution"]["chunk"] == 4 and info["resumed"][-1]["execution"]["chunk"] == 1
    assert info["resumed"][-1]["iteration"] == 3


def test_short_of_memory_in_the_test_it_evaluates_in_smaller_chunks(
    typed: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Execution.predict

    def limited(self: Execution, method: object, state: object, batch: tuple, setting: object) -> torch.Tensor:
        if len(batch[0]) > 1 and self.chunk > 2:  # the choice takes a single episode
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, method, state, batch, setting)

    assert typed(*TINY, "--results", "results").returncode == 0
    whole = recorded(tmp_path).evaluations[0]
    monkeypatch.setattr(Execution, "predict", limited)
    result = typed("evaluate", recorded(tmp_path).name, "--results", "results", "--set", "episodes=10")
    assert result.returncode == 0 and "out of memory: continuing with 2 at a time" in result.stderr
    less = next(e for e in recorded(tmp_path).evaluations if e.evaluation.episodes == 10)
    assert less.info["execution"]["chunk"] == 2 and (less.scores == whole.scores[:10]).all()


def test_with_no_memory_for_one_episode_it_says_what_to_do(typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Execution, "loss_and_gradient", none_left)
    result = typed(*TINY, "--results", "results")
    assert result.returncode == 2 and result.stderr.splitlines()[-1].startswith("error: out of memory with one episode")


@pytest.mark.slow
def test_seeds_together_leave_the_same_records_as_seeds_alone(tmp_path: Path, data_dir: Path) -> None:
    for name, together in (("alone", "1"), ("together", "3")):
        (tmp_path / name).mkdir()
        assert run(tmp_path / name, data_dir, "--seeds", "3", "--together", together).returncode == 0
    alone, together = (records.read_all(tmp_path / name / "results")[0] for name in ("alone", "together"))
    assert [r.info["execution"]["seeds"] for r in together] == [[0, 1, 2]] * 3
    assert [r.info["execution"]["seeds"] for r in alone] == [[0], [1], [2]]
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.name == theirs.name and ours.info["episodes_digest"] == theirs.info["episodes_digest"]
        # Rounding grows from one iteration to the next: the first losses are equal but for the last digits.
        assert ours.curve["train_loss"][0] == pytest.approx(theirs.curve["train_loss"][0], rel=1e-6)
        assert ours.curve["train_loss"].tolist() == pytest.approx(theirs.curve["train_loss"].tolist(), rel=1e-2)
