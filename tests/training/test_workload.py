"""Episodes of training, validation and test with different shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.data.images import ImageSet
from bench.errors import UserError
from bench.protocols import presets
from bench.protocols.benchmarks import Benchmark, EpisodeShape, get
from bench.protocols.protocol import Protocol
from bench.protocols.settings import with_evaluation_settings, with_settings
from bench.tools.check.toy_data import workload
from bench.training.evaluation import scores
from bench.training.execution import Execution
from bench.training.workload import Workload
from methods import METHODS

CPU = torch.device("cpu")


def made(name: str, small: Benchmark, protocol: Protocol, *settings: str) -> Workload:
    return workload(METHODS[name], small, with_settings(protocol, settings))


def test_training_has_a_shape_of_its_own(small: Benchmark, tiny_protocol: Protocol) -> None:
    asked = ("ways=6", "shots=1", "queries=4")
    plain, own = (made("protonet", small, tiny_protocol, *settings) for settings in ((), asked))
    assert own.stream("train").shape == EpisodeShape(6, 1, 4) and own.stream("test").shape == plain.stream("test").shape
    batch = own.stream("train").episodes(0, 2)
    assert len(batch.support[0]) == 6 and len(batch.query[0]) == 24
    for name, wanted in (("test", plain.stream("test").shape), ("training", EpisodeShape(6, 1, 4))):
        follows = made("protonet", small, tiny_protocol, *asked, f"validation_shape={name}")
        assert follows.stream("valid").shape == wanted


def test_validation_is_never_in_the_way(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol) -> None:
    """Only two classes of six images are left for validation, where an episode should have three classes with two shots
    and five queries."""
    kept = [c if c.split != "valid" else replace(c, count=6, distinct=6) for c in noise.classes]
    few = [c for c in kept if c.split != "valid"] + [c for c in kept if c.split == "valid"][:2]
    short = replace(made("maml", small, tiny_protocol, "evaluation.queries=5"), data=replace(noise, classes=tuple(few)))
    assert short.stream("valid").shape == EpisodeShape(2, 2, 4) and short.stream("test").shape == EpisodeShape(3, 2, 5)
    short.check()
    state, method = short.state_for("valid", short.initial_state(0)), short.build(split="valid")
    assert scores(Execution(CPU, 5), method, state, short.stream("valid"), 5, {}).shape == (5, 3)


@pytest.mark.parametrize("name", ["maml", "meta-sgd", "msl", "finetune", "nearest", "protonet"])
def test_a_head_of_more_outputs_gives_its_first_ones(name: str, small: Benchmark, tiny_protocol: Protocol) -> None:
    wider = made(name, small, tiny_protocol, "ways=5")
    wider.check()
    trained, tested = wider.initial_state(0), wider.state_for("test", wider.initial_state(0))
    for kind in ("params", "carried"):
        for key, value in getattr(tested, kind).items():
            whole = getattr(trained, kind)[key]
            assert key.startswith("episode.") or torch.equal(value, whole[: len(value)] if value.dim() else whole), key
    found = scores(Execution(CPU, 5), wider.build(split="test"), tested, wider.stream("test"), 5, {"lr": 0.1})
    assert len(found) == 5


@pytest.mark.parametrize("name", ["maml", "anil", "reptile"])
def test_a_head_of_fewer_outputs_does_not_do(name: str, small: Benchmark, tiny_protocol: Protocol) -> None:
    with pytest.raises(UserError, match="3 ways in test episodes, but its head has the 2 outputs"):
        made(name, small, tiny_protocol, "ways=2").check()
    made("protonet", small, tiny_protocol, "ways=2").check()


def test_the_papers_omniglot_is_trained_with_one_shot() -> None:
    for name in ("omniglot-5w5s", "omniglot-20w5s"):
        paper, article = (presets.preset(preset, get(name)) for preset in ("paper", "article"))
        assert paper.shape("train", get(name)) == EpisodeShape(get(name).ways, 1, 1)
        assert paper.shape("test", get(name)) == EpisodeShape(get(name).ways, 5, 5)
        assert article.shape("train", get(name)).shots == 5
    assert presets.paper(get("omniglot-5w1s")).training.shots is None


@pytest.mark.parametrize("setting", ["shots=5", "ways=10", "evaluation.ways=10"])
def test_the_shape_of_the_test_is_the_benchmarks(setting: str) -> None:
    protocol = presets.paper(get("omniglot-5w1s"))
    with pytest.raises(UserError, match="evaluate RUN --benchmark B"):
        with_evaluation_settings(protocol.evaluation, [setting])
