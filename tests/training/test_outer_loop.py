"""The outer loop: its inputs, what it keeps, and that an interruption changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from bench import files as files_module
from bench.data.images import ImageSet
from bench.episodes.images import ImageEpisodes
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.records import layout, weights
from bench.training import evaluation, execution, initial, outer_loop
from bench.training.execution import Execution
from bench.training.progress import Progress, curve
from bench.training.watch import Event, Interrupted, Step, Watch
from methods import contract
from tests.conftest import build

CPU = torch.device("cpu")
Make = Callable[..., tuple[outer_loop.Trainer, contract.State]]


def together(make: Make, protocol: Protocol, folder: str) -> tuple[outer_loop.Trainer, list[contract.State]]:
    """A trainer for seeds 0 and 1 as one training, and their initial states."""
    parts = [make("maml", protocol, f"{folder}{seed}", seed) for seed in (0, 1)]
    sources, folders = ([getattr(trainer, name)[0] for trainer, _ in parts] for name in ("train", "folders"))
    return replace(parts[0][0], train=sources, folders=folders), [initial for _, initial in parts]


@pytest.fixture
def make(small: Benchmark, noise: ImageSet, tmp_path: Path) -> Make:
    """Makes a trainer for a method under a protocol, and its initial state."""

    def trainer(
        name: str, protocol: Protocol, folder: str = "run", seed: int = 0
    ) -> tuple[outer_loop.Trainer, contract.State]:
        method = build(name, small, protocol)
        source = ImageEpisodes(small, noise, "train", seed, small.episode(protocol.training.queries))
        valid = ImageEpisodes(small, noise, "valid", 0, small.episode(protocol.evaluation.queries))
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        made = outer_loop.Trainer(
            method, method, protocol, Execution(CPU, 1), Execution(CPU, 2), [source], valid, [path]
        )
        return made, initial.initial_state(method, seed)

    return trainer


def trained(trainer: outer_loop.Trainer, initial: contract.State, watching: Watch) -> Progress:
    return trainer.run(trainer.prepare([initial]), watching)


def watch(stop_at: int | None = None, keep: tuple[int, ...] = ()) -> Watch:
    reached = [0]

    def on_event(event: Event) -> None:
        reached[0] = event.iteration if isinstance(event, Step) else reached[0]

    return Watch(on_event, lambda: reached[0] == stop_at, 1e9, keep)


def assert_same(one: Progress, other: Progress) -> None:
    assert_equal(one.state, other.state)
    for ours, theirs in zip(one.tracks, other.tracks, strict=True):
        assert_equal(ours.best, theirs.best)
        assert (ours.best_score, ours.best_iteration) == (theirs.best_score, theirs.best_iteration)
        curves = (curve(track).drop(columns="seconds") for track in (ours, theirs))
        pd.testing.assert_frame_equal(*curves)


def assert_equal(one: contract.State, other: contract.State) -> None:
    for ours, theirs in zip(one, other, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", ["maml", "fomaml", "finetune"])
@pytest.mark.parametrize("stop_at", [1, 3, 4])
def test_an_interruption_changes_no_bit(make: Make, tiny_protocol: Protocol, name: str, stop_at: int) -> None:
    whole, initial = make(name, tiny_protocol, "whole")
    expected = trained(whole, initial, watch())
    sliced, initial = make(name, tiny_protocol, "sliced")
    with pytest.raises(Interrupted, match=str(stop_at)):
        trained(sliced, initial, watch(stop_at))
    assert (sliced.folders[0] / layout.CHECKPOINT).exists()
    again, initial = make(name, tiny_protocol, "sliced")
    assert_same(trained(again, initial, watch()), expected)


@pytest.mark.parametrize("files", [0, 1, 2, 3])
def test_a_save_that_is_cut_off_leaves_an_iteration_that_every_seed_has(
    make: Make, tiny_protocol: Protocol, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """Saving two seeds writes two files and moves both into place: interrupted after each of these operations."""
    whole, initial = together(make, tiny_protocol, "whole")
    expected = whole.run(whole.prepare(initial), watch())
    sliced, initial = together(make, tiny_protocol, "sliced")
    with pytest.raises(Interrupted):
        sliced.run(sliced.prepare(initial), watch(2))
    left = [files]

    def limited(real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(*arguments)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(weights, "save", limited(weights.save))
        patched.setattr(files_module, "replace", limited(files_module.replace))
        patched.setattr(
            files_module, "write_atomically", lambda path, write: write(path)
        )  # whose replace is not counted
        with pytest.raises(KeyboardInterrupt):
            sliced.run(sliced.prepare(initial), watch(4))
    again, initial = together(make, tiny_protocol, "sliced")
    begun = again.prepare(initial)
    assert begun[0].iteration == (4 if files >= 2 else 2)
    assert_same(again.run(begun, watch()), expected)


def test_one_seed_that_diverges_leaves_the_other(make: Make, tiny_protocol: Protocol) -> None:
    trainer, initial = together(make, tiny_protocol, "pair")
    initial[0].params["head.weight"].fill_(float("nan"))
    progress = trainer.run(trainer.prepare(initial), watch())
    assert [track.diverged_at for track in progress.tracks] == [1, None] and progress.iteration == 6
    assert [len(curve(track)) for track in progress.tracks] == [1, 6]
    assert all(p.isfinite().all() for p in progress.of(1).params.values())


def test_a_rehearsal_changes_no_number(make: Make, tiny_protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_maybe_compiled", lambda function, compiled: function)  # for its minute
    expected = trained(*make("finetune", tiny_protocol, "plain"), watch())
    trainer, initial = make("finetune", tiny_protocol, "rehearsed")
    trainer = replace(trainer, execution=replace(trainer.execution, mode="compiled"))
    assert_same(trained(trainer, initial, watch()), expected)


def test_twice_is_the_same_and_another_seed_is_not(make: Make, tiny_protocol: Protocol) -> None:
    first, second, other = (
        trained(trainer, initial, watch())
        for trainer, initial in (
            make("maml", tiny_protocol, "a"),
            make("maml", tiny_protocol, "b"),
            make("maml", tiny_protocol, "c", 1),
        )
    )
    assert_same(first, second)
    assert not torch.equal(first.state.params["head.weight"], other.state.params["head.weight"])


def test_episodes_are_fed_in_order_and_once(make: Make, tiny_protocol: Protocol) -> None:
    trainer, _ = make("maml", tiny_protocol)
    fed = [trainer._batches.batch(trainer._batches.at(iteration)) for iteration in range(3)]
    together = trainer.train[0].episodes(0, 9)
    assert torch.equal(torch.cat([batch.support[0] for batch in fed]), together.support)


def test_an_update_per_episode_takes_as_many_optimiser_steps(make: Make, tiny_protocol: Protocol) -> None:
    """The article's printed code: one step per episode equals a meta-batch of one, over the same episodes."""
    each = replace(tiny_protocol, training=replace(tiny_protocol.training, meta_update="episode", iterations=2))
    ones = replace(tiny_protocol, training=replace(tiny_protocol.training, meta_batch=1, iterations=6))
    results = [
        trained(trainer, initial, watch())
        for trainer, initial in (make("maml", each, "each"), make("maml", ones, "ones"))
    ]
    for key, value in results[0].state.params.items():
        assert torch.equal(value, results[1].state.params[key])


def test_fine_tuning_sees_the_images_of_the_same_episodes(make: Make, tiny_protocol: Protocol) -> None:
    (tuned, _), (meta, _) = make("finetune", tiny_protocol, "a"), make("maml", tiny_protocol, "b")
    images, episodes = (feed.batch(feed.at(2)) for feed in (tuned._batches, meta._batches))
    images, episodes = (type(batch)(*(part[0] for part in batch)) for batch in (images, episodes))
    assert (
        len(images.labels)
        == len(images.images)
        == episodes.support.shape[:2].numel() + episodes.query.shape[:2].numel()
    )
    assert images.labels.max() < 8
    seen = {tuple(image.flatten().tolist()) for image in images.images}
    assert {tuple(image.flatten().tolist()) for image in episodes.query.flatten(0, 1)} <= seen


def test_an_image_batch_is_drawn_uniformly(make: Make, tiny_protocol: Protocol) -> None:
    protocol = replace(tiny_protocol, training=replace(tiny_protocol.training, image_batch=64))
    trainer, initial = make("finetune", protocol)
    batch = trainer._batches.batch(trainer._batches.at(1))
    assert batch.images.shape == (1, 64, 1, 12, 12) and batch.labels.shape == (1, 64)
    trained(trainer, initial, watch())


def test_the_clip_bounds_each_element(make: Make, tiny_protocol: Protocol) -> None:
    clipped = replace(tiny_protocol, training=replace(tiny_protocol.training, clip=1e-4, iterations=1))
    trainer, initial = make("maml", clipped)
    progress = trained(trainer, initial, watch())
    assert max(float(p.grad.abs().max()) for p in progress.state.params.values()) == pytest.approx(1e-4)


def test_best_keeps_the_first_of_equals_and_is_not_the_last(
    make: Make, tiny_protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = replace(tiny_protocol, training=replace(tiny_protocol.training, validations=3))
    trainer, initial = make("maml", protocol)
    score = iter([0.5, 0.5, 0.4])
    monkeypatch.setattr(evaluation, "choose", lambda *_: evaluation.Choice({}, 1, next(score)))
    progress = trained(trainer, initial, watch())
    track = progress.tracks[0]
    assert (track.best_score, track.best_iteration) == (0.5, 2)
    assert not torch.equal(track.best.params["head.weight"], progress.of(0).params["head.weight"])
    assert curve(progress.tracks[0]).dropna()["valid_score"].tolist() == [0.5, 0.5, 0.4]


def test_divergence_ends_the_run_and_keeps_the_curve(make: Make, tiny_protocol: Protocol) -> None:
    trainer, initial = make("maml", tiny_protocol)
    initial.params["head.weight"].fill_(float("nan"))
    progress = trained(trainer, initial, watch())
    assert progress.tracks[0].diverged_at == 1 and progress.iteration == 1
    assert curve(progress.tracks[0])["train_loss"].isna().tolist() == [True]


def test_weights_of_named_iterations_are_kept(make: Make, tiny_protocol: Protocol) -> None:
    trainer, initial = make("maml", tiny_protocol)
    trained(trainer, initial, watch(keep=(2,)))
    short, initial = make(
        "maml", replace(tiny_protocol, training=replace(tiny_protocol.training, iterations=2)), "short"
    )
    expected = trained(short, initial, watch()).state
    from bench.records import weights

    kept = weights.load_state(layout.kept_file(trainer.folders[0], 2), CPU)
    assert all(torch.equal(kept.params[key], expected.params[key][0]) for key in expected.params)


def test_training_never_moves_the_global_generators(make: Make, tiny_protocol: Protocol) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trainer, initial = make("maml", tiny_protocol)
    trained(trainer, initial, watch())
    assert torch.equal(torch.get_rng_state(), before)
