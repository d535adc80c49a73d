"""Regression of sinusoids: episodes, network, baselines, and a run from the command line to its report."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from bench import records
from bench.data.sinusoids import SINUSOIDS
from bench.episodes.functions import FunctionEpisodes
from bench.networks.conv4 import network
from bench.networks.mlp import Mlp
from bench.protocols import benchmarks, presets
from bench.protocols.benchmarks import Benchmark
from bench.protocols.measures import ACCURACY, SQUARED_ERROR
from bench.protocols.protocol import Protocol
from bench.training import modes as execution_modes
from bench.training.evaluation import choose, scores
from bench.training.execution import Execution
from bench.training.initial import initial_state
from bench.training.objectives import objective
from tests.conftest import Command, build, double, meta_step, one_line

CPU = torch.device("cpu")
FIVE, TEN = benchmarks.get("sinusoid-5s"), benchmarks.get("sinusoid-10s")
RUN = ("run", "--benchmark", "sinusoid-5s", "--protocol", "paper", "--iterations", "4", "--set", "validations=2")
SMALL = ("--set", "validation_episodes=5", "--set", "evaluation.episodes=6")
TUNED = ("--set", "finetune_episodes=5")


def drawn(benchmark: Benchmark = FIVE, split: str = "test", seed: int = 0, first: int = 0, count: int = 50, queries=5):
    return episodes(split, seed, queries, benchmark).sample(first, count)


def episodes(
    split: str, seed: int = 0, queries: int = 5, benchmark: Benchmark = FIVE, told: bool = False
) -> FunctionEpisodes:
    return FunctionEpisodes(benchmark, SINUSOIDS, split, seed, benchmark.episode(queries), with_parameters=told)


def test_the_stream_is_pinned_and_at_random_access() -> None:
    # Written down once: another NumPy, Python or machine must draw the same.
    parameters, inputs = drawn(count=9)
    apart = drawn(first=7, count=2)
    np.testing.assert_array_equal(parameters[7:], apart[0])
    np.testing.assert_array_equal(inputs[7:], apart[1])
    assert parameters[0].tolist() == PINNED_PARAMETERS and inputs[0, :3].tolist() == PINNED_INPUTS
    assert episodes("test").digest == PINNED_DIGEST


def test_more_queries_only_add() -> None:
    few, many = drawn(queries=5), drawn(queries=40)
    np.testing.assert_array_equal(few[0], many[0])
    np.testing.assert_array_equal(few[1], many[1][:, :10])


@pytest.mark.parametrize("other", [{"split": "valid"}, {"seed": 1}, {"benchmark": TEN}])
def test_streams_differ_by_split_seed_and_benchmark(other: dict) -> None:
    assert not np.isin(drawn(**other)[0], drawn()[0]).any()


def test_what_is_drawn_is_uniform_in_its_bounds() -> None:
    parameters, inputs = drawn(count=2000)
    for values, (low, high) in ((parameters[:, 0], (0.1, 5)), (parameters[:, 1], (0, math.pi)), (inputs, (-5, 5))):
        assert stats.kstest(values.ravel(), stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_global_generators_are_neither_read_nor_moved() -> None:
    before = episodes("test").digest
    random.seed(1)
    np.random.seed(1)
    states = random.getstate(), np.random.get_state()[1].tolist()
    assert episodes("test").digest == before
    assert states == (random.getstate(), np.random.get_state()[1].tolist())


def test_support_and_query_lie_on_one_sine_and_the_oracle_is_told_which() -> None:
    told = episodes("test", queries=7, told=True).episodes(3, 4)
    plain = episodes("test", queries=7).episodes(3, 4)
    assert plain.support.shape == (4, 5, 1) and plain.query.shape == (4, 7, 1) and told.query.shape == (4, 7, 3)
    for inputs, targets, bare in (
        (told.support, told.support_labels, plain.support),
        (told.query, told.query_labels, plain.query),
    ):
        x, amplitude, phase = inputs.unbind(-1)
        torch.testing.assert_close(amplitude * torch.sin(x - phase), targets[..., 0])
        assert torch.equal(inputs[..., :1], bare)


def test_the_score_is_the_mean_squared_error_of_each_episode() -> None:
    outputs, targets = torch.tensor([[[1.0], [2.0]], [[0.0], [0.0]]]), torch.tensor([[0.0], [4.0]])
    assert objective(FIVE).score(outputs, targets).tolist() == [2.5, 8.0]
    assert objective(FIVE).loss(outputs[0], targets).item() == 2.5


def test_the_network_is_the_papers() -> None:
    training = presets.paper(FIVE).training
    params = Mlp(1, training).init(torch.Generator().manual_seed(0), 1)
    assert {name: tuple(value.shape) for name, value in params.items() if name.endswith("weight")} == {
        "hidden1.weight": (40, 1), "hidden2.weight": (40, 40), "head.weight": (1, 40),
    }  # fmt: skip
    weights = params["hidden2.weight"]
    # Cut at two standard deviations, a normal keeps 0.88 of its own.
    assert weights.abs().max() <= 0.02 and weights.std().item() == pytest.approx(0.0088, rel=0.05)
    assert not any(value.any() for name, value in params.items() if name.endswith("bias"))


def test_the_network_computes_what_torchs_own_does() -> None:
    network = Mlp(3, replace(presets.paper(FIVE).training, initialisation="pytorch"))
    params, inputs = network.init(torch.Generator().manual_seed(0), 1), torch.randn(6, 3)
    layers = [torch.nn.Linear(3, 40), torch.nn.ReLU(), torch.nn.Linear(40, 40), torch.nn.ReLU(), torch.nn.Linear(40, 1)]
    theirs = torch.nn.Sequential(*layers)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), params.values(), strict=True)))
    torch.testing.assert_close(network(params, inputs), theirs(inputs))


def test_pretraining_is_regression_on_the_support_points(sinusoid_protocol: Protocol) -> None:
    method = build("pretrained", FIVE, sinusoid_protocol)
    state, batch = initial_state(method, 0), episodes("train").episodes(0, 3)
    loss, _, _ = meta_step(Execution(CPU, 3), method, state, batch)
    outputs = method.setup.network(state.params, batch.support.flatten(0, 1))
    torch.testing.assert_close(loss, (outputs - batch.support_labels.flatten(0, 1)).square().mean())


@pytest.mark.parametrize("name", ["maml", "fomaml", "pretrained", "oracle"])
def test_the_gradient_is_what_finite_differences_say(name: str, sinusoid_protocol: Protocol) -> None:
    """First-order MAML's is another one."""
    training = replace(sinusoid_protocol.training, initialisation="glorot", inner_steps=2, inner_lr=0.1)
    method = build(name, FIVE, replace(sinusoid_protocol, training=training))
    state = method.init(torch.Generator().manual_seed(0))
    state = state._replace(params=double(state.params))
    source = episodes("train", told=name == "oracle")
    batch = type(source.episodes(0, 3))(*(part.double() for part in source.episodes(0, 3)))
    run = Execution(CPU, 2)
    _, gradient, _ = meta_step(run, method, state, batch)
    direction = {
        k: torch.randn(v.shape, dtype=v.dtype, generator=torch.Generator().manual_seed(1))
        for k, v in state.params.items()
    }
    ends = []
    for sign in (1, -1):
        moved = {k: v + sign * 1e-6 * direction[k] for k, v in state.params.items()}
        ends.append(meta_step(run, method, state._replace(params=moved), batch)[0].item())
    ours = sum((gradient[k] * direction[k]).sum().item() for k in gradient)
    assert (ours == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)) != (name == "fomaml")


def test_the_step_size_that_is_chosen_has_the_least_error(sinusoid_protocol: Protocol) -> None:
    method = build("pretrained", FIVE, sinusoid_protocol)
    state, run = initial_state(method, 0), Execution(CPU, 20)
    valid = episodes("valid")
    choice = choose(run, method, state, valid, 4, 20)
    table = {s["lr"]: scores(run, method, state, valid, 20, s).mean(0) for s in method.candidates()}
    least = min(means.min() for means in table.values())
    assert choice.score == least == table[choice.setting["lr"]][choice.step]


def test_a_long_training_is_compiled_and_a_short_one_is_not() -> None:
    training = presets.paper(FIVE).training
    made = [network(FIVE, replace(training, iterations=n)) for n in (70_000, 2_000)]
    assert [execution_modes.choose(each, FIVE, CPU, 25, 1, None)[0].mode for each in made] == ["compiled", "eager"]
    assert execution_modes.chunk_size(made[0], FIVE, 5, 25, CPU) == 25


def test_a_run_its_baselines_and_its_report(typed: Command, tmp_path: Path) -> None:
    methods = [word for name in ("maml", "pretrained", "oracle") for word in ("--method", name)]
    ran = typed(*RUN, *SMALL, *TUNED, *methods, "--seeds", "2")
    assert ran.returncode == 0, ran.stderr
    assert "no batch norm" in ran.stdout and "%" not in ran.stdout.replace("95 % interval", "")
    found, problems = records.read_all(tmp_path / "results" / "runs")
    assert not problems and len(found) == 6
    assert len({r.evaluations[0].info["episodes_digest"] for r in found}) == 1
    for record in found:
        (evaluated,) = record.evaluations
        steps = 10 if record.method == "maml" else 100  # of fine-tuning as many, so that a choice can lie inside
        assert evaluated.info["score"] == "mean squared error" and evaluated.scores.shape == (6, steps + 1)
        valid = record.curve["valid_score"].dropna()
        assert record.info["best_score"] == valid.min()  # lower is better
        assert (evaluated.info["setting"] == {}) == (record.method == "maml")
    report = typed("report")
    assert report.returncode == 0 and "mean squared error" in report.stdout
    text = (tmp_path / "results" / "report" / "report.md").read_text()
    assert "mean squared error (lower is better) after inner steps" in text
    assert "![fits-sinusoid-5s](fits-sinusoid-5s.svg)" in text
    path = next((tmp_path / "results" / "runs").glob("sinusoid-5s/maml/*/seed1/evaluations/*.json"))
    kept = json.loads(path.read_text())
    assert [len(kept["fit"][name]) for name in ("inputs", "targets", "support")] == [101, 101, 5]
    assert sorted(kept["fit"]["outputs"]) == ["0", "1", "10", "5"]
    assert "anatomy" not in text.split("### sinusoid-5s")[1].split("## ")[0]


@pytest.mark.parametrize("wrong", [{"inputs": ["x"]}, {"outputs": {}}, {"outputs": {"0": [1, 2]}}, {"support": 3}, 7])
def test_a_fit_that_is_none_is_named_and_left_out(typed: Command, tmp_path: Path, wrong: object) -> None:
    assert typed(*RUN, *SMALL, "--set", "evaluation.inner_steps=2").returncode == 0
    (path,) = (tmp_path / "results" / "runs").glob("*/*/*/seed0/evaluations/*.json")
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"fit": kept["fit"] | wrong if isinstance(wrong, dict) else wrong}))
    report = typed("report")
    assert report.returncode == 1 and "seed0" in report.stderr and "Traceback" not in report.stderr


def test_a_rate_that_diverges_after_the_step_that_counts_is_shown_so(typed: Command, tmp_path: Path) -> None:
    wild = ("--set", "finetune_lrs=1e9,2e9", "--set", "finetune_steps=10")
    assert typed(*RUN, *SMALL, *TUNED, *wild, "--method", "pretrained").returncode == 0
    (record,), _ = records.read_all(tmp_path / "results" / "runs")
    (evaluated,) = record.evaluations
    assert np.isfinite(evaluated.final).all() and not np.isfinite(evaluated.scores).all()
    report = typed("report")
    assert report.returncode == 0 and "left out" not in report.stderr, report.stderr
    assert "| diverged |" in (tmp_path / "results" / "report" / "report.md").read_text()


def test_a_test_that_explodes_leaves_a_trained_run_and_its_scores(typed: Command, tmp_path: Path) -> None:
    settings = ["validations=1", "validation_episodes=5", "inner_lr=1.5"]
    settings += ["evaluation.episodes=20", "evaluation.inner_steps=130"]
    wild = (*RUN[:5], "--iterations", "4", *(word for setting in settings for word in ("--set", setting)))
    ran = typed(*wild)
    (record,), _ = records.read_all(tmp_path / "results" / "runs")
    (evaluated,) = record.evaluations
    assert record.status == "finished" and 0 < evaluated.lost == int((~np.isfinite(evaluated.final)).sum())
    said = f"no mean score: the outputs are not finite in {evaluated.lost} of 20 test episodes after 4 iterations"
    assert ran.returncode == 1 and said in ran.stdout
    again = typed(*wild)
    assert again.returncode == 1 and said in again.stdout  # and nothing was done again
    assert records.read(record.path).info == record.info
    worse = typed("evaluate", record.name, "--set", "inner_steps=200", "--set", "episodes=20")
    assert worse.returncode == 1 and "no mean" in worse.stdout
    better = typed("evaluate", record.name, "--set", "inner_steps=2", "--set", "episodes=20")
    assert better.returncode == 0 and "mean squared error on 20 test episodes" in better.stdout
    assert typed("verify", record.name).returncode == 0
    report = typed("report")
    assert report.returncode == 0 and f"outputs not finite in {evaluated.lost} of 20" in report.stdout
    assert "  maml [" in report.stdout


def test_what_is_no_number_is_never_the_best() -> None:
    nan = math.nan
    for measure, order in ((ACCURACY, [0.1, 0.9, 0.9]), (SQUARED_ERROR, [0.9, 0.1, 0.1])):
        assert measure.best(np.array([nan, *order])) == 2
        assert measure.better(order[1], order[0]) and not measure.better(order[2], order[1])
        assert not measure.better(nan, order[0]) and not measure.better(nan, measure.worst)
        assert measure.better(order[0], nan) and measure.better(order[0], measure.worst)


def test_what_is_shown_has_the_unit_and_bounds_of_its_measure() -> None:
    assert ACCURACY.written(0.6219) == "62.19 %" and SQUARED_ERROR.written(0.25) == "0.2500 mean squared error"
    assert ACCURACY.clipped((-3, 104)) == (0, 100) and SQUARED_ERROR.clipped((-3, 104)) == (0, 104)
    assert ACCURACY.near_bound((98, 99.5)) and not ACCURACY.near_bound((2, 98))
    assert SQUARED_ERROR.near_bound((0, 4)) and not SQUARED_ERROR.near_bound((0.1, 400))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "--benchmark", "sinusoid-5s", "--method", "finetune"), "finetune needs classes"),
        (("run", "--benchmark", "sinusoid-5s", "--method", "nearest"), "nearest needs classes"),
        (("run", "--benchmark", "tiny", "--method", "pretrained"), "which tiny does not have"),
        (("run", "--benchmark", "tiny", "--method", "oracle"), "which tiny does not have"),
        (("run", "--benchmark", "sinusoid-5"), "did you mean 'sinusoid-5s'"),
        (("run", "--benchmark", "sinusoid-5s", "--protocol", "article"), "use paper or quick"),
        (("show", "episode", "--benchmark", "sinusoid-5s", "--out", "x.png"), "no images to show"),
        (("speed", "--benchmark", "sinusoid-5s"), "has no images"),
    ],
)
def test_what_makes_no_sense_is_one_line(typed: Command, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in one_line(typed(*arguments))


PINNED_PARAMETERS = [1.6842622486307703, 2.3857994151410953]
PINNED_INPUTS = [-1.4042889683649151, 1.5601166442542311, 3.164561573821212]
PINNED_DIGEST = "219d470c520bb418e212efc4de3b4c7878809ce9069e80efcbb45a55f4fd5441"
