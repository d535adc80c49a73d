"""Choices at the edge of their candidates: when a choice is one, and that its record says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import records
from bench.data.images import ImageSet
from bench.episodes import streams
from bench.protocols import presets, protocol
from bench.protocols.benchmarks import BENCHMARKS, IMAGES, Benchmark
from bench.protocols.protocol import FINE_TUNING, INNER_LOOP, Evaluation, Protocol
from bench.records.choices import edges, edges_text
from bench.training import execution, initial
from methods.contract import Episode
from tests.conftest import ROOT, Command, build

RATES = tuple({"lr": rate} for rate in (0.1, 0.2, 0.5))
BOTH = tuple({"adapt": what, "lr": rate} for what in ("head", "all") for rate in (0.1, 0.5))


@pytest.mark.parametrize(
    ("candidates", "setting", "step", "expected"),
    [
        (RATES, {"lr": 0.2}, 3, {}),
        (RATES, {"lr": 0.5}, 3, {"lr": "greatest"}),
        (RATES, {"lr": 0.1}, 15, {"lr": "least", "step": "last"}),
        (RATES, {"lr": 0.1}, 0, {}),  # no step was taken: no rate played a part
        (BOTH, {"adapt": "head", "lr": 0.5}, 1, {"lr": "greatest"}),
        (({"adapt": "head", "lr": 0.1}, {"adapt": "all", "lr": 0.5}), {"adapt": "head", "lr": 0.1}, 1, {}),
        (({},), {}, 15, {}),  # nothing was chosen
    ],
)
def test_what_is_an_edge(candidates: tuple, setting: dict, step: int, expected: dict) -> None:
    assert edges(candidates, setting, step, 15) == expected


def test_of_one_step_settings_count_all_the_same() -> None:
    assert edges(({"k": 1}, {"k": 2}, {"k": 3}), {"k": 3}, 0, 0) == {"k": "greatest"}


def evaluated(info: dict, step: int = 15) -> records.Evaluated:
    return records.Evaluated(Evaluation(), 100, step, np.zeros((4, 16)), info)


def test_records_from_before_tell_by_their_rates_and_steps() -> None:
    assert evaluated({"setting": {"lr": 0.5}}).edges == {"lr": "greatest", "step": "last"}
    assert evaluated({"setting": {"lr": 0.1}}, 7).edges == evaluated({"setting": {}}).edges == {}
    assert evaluated({"setting": {"lr": 0.1}, "at_edge": {"k": "least"}}).edges == {"k": "least"}
    assert edges_text({"lr": "greatest", "step": "last"}) == "greatest lr, last step"


def test_the_first_evaluations_of_the_baseline_were_chosen_at_an_edge() -> None:
    """Three of six, which is why there are more candidates now."""
    found = {}
    for path in sorted((ROOT / "results/reference/omniglot-5w1s/finetune").glob("*/seed*")):
        (narrow,) = (e for e in records.read(path).evaluations if e.evaluation.adapt == "all")
        found[f"{path.parent.name[0]}{path.name[-1]}"] = edges_text(narrow.edges)
    assert found == {"80": "", "81": "last step", "82": "last step", "d0": "", "d1": "", "d2": "greatest lr"}


def test_an_evaluation_names_its_edges(typed: Command) -> None:
    ran = typed("run", "--benchmark", "tiny", "--method", "finetune", "--set", "finetune_lrs=1e-9,2e-9", "--set",
                "finetune_head_steps=1", "--set", "finetune_steps=1")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    (path,) = Path("results/runs").glob("tiny/finetune/*/seed0/evaluations/*.json")
    found = records.read_evaluation(path)
    assert found.info["at_edge"] == found.edges
    assert found.step == 0 or found.info["at_edge"]["step"] == "last"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_only_what_fine_tunes_has_a_wide_choice_and_validation_stays_as_it_was(name: str) -> None:
    benchmark = BENCHMARKS[name]
    for preset in presets.names(benchmark):
        narrow = presets.preset(preset, benchmark)
        assert presets.preset(preset, benchmark, INNER_LOOP) == narrow
        wide = presets.preset(preset, benchmark, FINE_TUNING)
        ours = preset in ("paper", "article", "quick")  # the others say themselves how they fine-tune
        assert (wide != narrow) == ours and wide.training == narrow.training
        if ours and name != "tiny" and benchmark.form == IMAGES:
            assert len(wide.evaluation.finetune_lrs) == 6 and wide.evaluation.finetune_steps >= 30


def test_old_evaluations_keep_their_keys() -> None:
    """For stored records: a setting that was added later is not in the key if it has the value that was used before."""
    before = replace(presets.paper(BENCHMARKS["omniglot-5w1s"]).evaluation, meaning=protocol.BY_CLASS)
    assert protocol.evaluation_hash(before) == "88681f49"


def predicted(
    small: Benchmark, noise: ImageSet, made: Protocol, settings: dict, **changed: object
) -> tuple[torch.Tensor, Episode]:
    """Outputs [episodes, steps + 1, queries, ways] of untrained weights."""
    method = build("finetune", small, replace(made, evaluation=replace(made.evaluation, **changed)))
    batch = streams.stream(small, noise, "test", small.episode(3)).on(torch.device("cpu")).episodes(0, 4)
    state = initial.initial_state(method, 0)
    return execution.Execution(torch.device("cpu"), 2).predict(method, state, batch, settings), batch


@pytest.mark.parametrize("mode", ["batch", "support", "running"])
def test_the_head_alone_is_the_network_whose_body_stays(
    small: Benchmark, noise: ImageSet, tiny_protocol: Protocol, mode: str
) -> None:
    """The features, computed once, give the same outputs as a plain loop through the whole network, at every step."""
    changed = {"adapt": "chosen", "finetune_steps": 2, "finetune_head_steps": 4, "batch_statistics": mode}
    found, batch = predicted(small, noise, tiny_protocol, {"adapt": "head", "lr": 0.3}, **changed)
    whole, _ = predicted(small, noise, tiny_protocol, {"adapt": "all", "lr": 0.3}, **changed)
    assert found.shape[1] == 5 and whole.shape[1] == 3 and torch.allclose(found[:, 0], whole[:, 0], atol=1e-6)
    method = build("finetune", small, tiny_protocol)
    state, network = initial.initial_state(method, 0), method.setup.network
    running = state.carried if mode == "running" else None
    params = state.params | {n: state.carried[f"episode.{n}"].clone() for n in ("head.weight", "head.bias")}
    for step in range(5):
        statistics = network.observed(params, batch.support[1]) if mode == "support" else running
        assert torch.allclose(network(params, batch.query[1], statistics), found[1, step], atol=1e-5)
        head = {n: params[n].requires_grad_() for n in ("head.weight", "head.bias")}
        loss = torch.nn.functional.cross_entropy(network(params, batch.support[1], running), batch.support_labels[1])
        moved = torch.autograd.grad(loss, list(head.values()))
        params |= {n: (params[n] - 0.3 * g).detach() for n, g in zip(head, moved, strict=True)}
