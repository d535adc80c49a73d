"""The stream of episodes: the same everywhere, and dependent on nothing but its names."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from bench.data.images import ImageSet
from bench.episodes import sampling
from bench.episodes.images import ImageEpisodes
from bench.episodes.indices import EpisodeIndices
from bench.errors import UserError
from bench.protocols.benchmarks import Benchmark
from tests.conftest import ROOT


def drawn(
    benchmark: Benchmark,
    images: ImageSet,
    split: str = "test",
    seed: int = 0,
    first: int = 0,
    count: int = 50,
    queries: int = 3,
) -> EpisodeIndices:
    """Episodes as indices, in NumPy arrays."""
    found = episodes(benchmark, images, split, seed, queries).draw(first, count)
    return EpisodeIndices(*(part.numpy() for part in found))


def episodes(
    benchmark: Benchmark, images: ImageSet, split: str = "test", seed: int = 0, queries: int = 3
) -> ImageEpisodes:
    return ImageEpisodes(benchmark, images, split, seed, benchmark.episode(queries))


def test_random_access(small: Benchmark, noise: ImageSet) -> None:
    together, apart = drawn(small, noise, count=9), drawn(small, noise, first=7, count=2)
    for name in ("classes", "turns", "images"):
        np.testing.assert_array_equal(getattr(together, name)[7:], getattr(apart, name))


@pytest.mark.parametrize("size", [1, 4, 7, 30])
def test_a_place_of_the_stream_is_its_counter(size: int) -> None:
    together = sampling.raw("small/test/0", 5, 9, size)
    for index, row in enumerate(together, start=5):
        np.testing.assert_array_equal(row, sampling.raw("small/test/0", index, 1, size)[0])


def test_the_raw_stream_is_pinned(small: Benchmark, noise: ImageSet) -> None:
    # Written down once: another NumPy, Python or machine must draw the same.
    draw = drawn(small, noise, count=2)
    assert draw.classes.tolist() == PINNED_CLASSES
    assert draw.turns.tolist() == PINNED_TURNS
    assert draw.images[0].tolist() == PINNED_IMAGES


def test_more_queries_only_add(small: Benchmark, noise: ImageSet) -> None:
    few, many = drawn(small, noise, queries=3), drawn(small, noise, queries=8)
    np.testing.assert_array_equal(few.images, many.images[:, :, : few.images.shape[2]])
    np.testing.assert_array_equal(few.classes, many.classes)


def test_fewer_queries_stand_in_the_order_of_more(small: Benchmark, noise: ImageSet) -> None:
    few, many = (drawn(small, noise, queries=queries).order for queries in (3, 8))
    of_few = [[8 * (slot // 3) + slot % 3 for slot in row] for row in few]
    assert of_few == [[slot for slot in row if slot % 8 < 3] for row in many.tolist()]


def test_a_place_tells_no_label(small: Benchmark, noise: ImageSet) -> None:
    labels = episodes(small, noise).query_labels(0, 3000)
    assert (np.sort(labels, 1) == np.repeat(np.arange(3), 3)).all()
    assert all(stats.chisquare(np.bincount(place, minlength=3)).pvalue > 1e-3 for place in labels.T)
    same_as_next = (labels[:, :-1] == labels[:, 1:]).mean()
    assert same_as_next == pytest.approx(2 / 8, abs=0.02)  # of the 8 others 2 are of one's class


def test_support_and_query_are_what_was_drawn(small: Benchmark, noise: ImageSet) -> None:
    """Each image by its place: in training with a dimension for the seeds, and by class as before the order."""
    stream = episodes(small, noise)
    ordered, by_class = stream.episodes(0, 20), replace(stream, by_class=True).episodes(0, 20)
    order = stream.draw(0, 20).order
    assert torch.equal(by_class.query_labels, torch.arange(3).repeat_interleave(3).expand(20, -1))
    for name in ("query", "query_labels"):
        there, here = getattr(by_class, name), getattr(ordered, name)
        assert all(torch.equal(there[k][order[k]], here[k]) for k in range(20)) and not torch.equal(there, here)
    assert torch.equal(ordered.support, by_class.support)
    assert stream.digest != replace(stream, by_class=True).digest


@pytest.mark.parametrize("other", [{"split": "valid"}, {"seed": 1}])
def test_streams_differ_by_split_and_seed(small: Benchmark, noise: ImageSet, other: dict) -> None:
    here, there = drawn(small, noise), drawn(small, noise, **other)
    assert (here.classes != there.classes).mean() > 0.5
    assert (here.turns != there.turns).mean() > 0.5


def test_an_episode_has_distinct_classes_and_images(small: Benchmark, noise: ImageSet) -> None:
    draw = drawn(small, noise, count=300, queries=9)
    for classes, images in zip(draw.classes, draw.images, strict=True):
        assert len(set(classes)) == small.ways
        assert len(set(images.ravel())) == images.size


def test_a_repeated_image_is_never_drawn(small: Benchmark, noise: ImageSet) -> None:
    first = noise.split("test")[0]
    draw = drawn(small, noise, count=500, queries=9)
    of_first = draw.images[draw.classes == 0]
    assert len(of_first) > 100
    assert first.offset + first.distinct - 1 in of_first
    assert first.offset + first.count - 1 not in of_first


def test_images_belong_to_their_class_and_split(small: Benchmark, noise: ImageSet) -> None:
    classes = noise.split("valid")
    draw = drawn(small, noise, split="valid", count=100)
    for row, images in zip(draw.classes.ravel(), draw.images.reshape(-1, draw.images.shape[2]), strict=True):
        assert all(classes[row].offset <= image < classes[row].offset + classes[row].count for image in images)


def test_class_to_label_is_uniform(small: Benchmark, noise: ImageSet) -> None:
    draw = drawn(small, noise, count=4000)
    table = np.zeros((8, small.ways))
    for episode in draw.classes:
        table[episode, np.arange(small.ways)] += 1
    assert stats.chisquare(table.ravel()).pvalue > 1e-3
    turns = Counter(draw.turns.ravel().tolist())
    assert stats.chisquare([turns[k] for k in range(4)]).pvalue > 1e-3
    places = np.bincount((draw.images - draw.images.min())[draw.classes == 3].ravel() % 12, minlength=12)
    assert stats.chisquare(places).pvalue > 1e-3


def test_distinct_draws_every_order_equally() -> None:
    generator = np.random.Philox(key=[1, 2])
    orders = Counter(map(tuple, sampling.distinct(generator.random_raw((6000, 3)), 3).tolist()))
    assert len(orders) == 6
    assert stats.chisquare(list(orders.values())).pvalue > 1e-3


@pytest.mark.parametrize(("places", "size"), [(1, 1), (5, 5), (5, 1100), (20, 20), (20, 600)])
def test_distinct_is_a_fisher_yates_shuffle(places: int, size: int) -> None:
    """Against the shuffle itself, in unbounded integers; also with a different size for every row."""
    raw = np.random.Philox(key=[places, size]).random_raw((40, places))
    raw[0], raw[1] = 0, 2**64 - 1
    sizes = size + np.arange(40)
    for row, own, one, other in zip(
        raw.tolist(), sizes, sampling.distinct(raw, size), sampling.distinct(raw, sizes), strict=True
    ):
        for found, count in ((one, size), (other, own)):
            assert found.tolist() == _shuffled(row, int(count))


def _shuffled(raw: list[int], size: int) -> list[int]:
    content = list(range(size))
    for place, value in enumerate(raw):
        other = place + (value * (size - place) >> 64)
        content[place], content[other] = content[other], content[place]
    return content[: len(raw)]


def test_global_generators_are_neither_read_nor_moved(small: Benchmark, noise: ImageSet) -> None:
    before = episodes(small, noise).digest
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert episodes(small, noise).digest == before
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_digest_sees_content(small: Benchmark, noise: ImageSet) -> None:
    before = episodes(small, noise).digest
    draw = drawn(small, noise, count=1)
    noise.images[draw.images[0, 0, 0]] ^= 1
    assert episodes(small, noise).digest != before


def test_random_images_are_uniform_and_of_their_class(small: Benchmark, noise: ImageSet) -> None:
    classes = noise.split("train")
    stream = episodes(small, noise, "train")
    images, _, labels, _ = (part.flatten(1).numpy() for part in stream.draw_images(5, 40, 64))
    np.testing.assert_array_equal(images[2], stream.draw_images(7, 1, 64).images.flatten())
    for image, label in zip(images.ravel(), labels.ravel(), strict=True):
        assert classes[label].offset <= image < classes[label].offset + classes[label].distinct
    counts = np.bincount(labels.ravel(), minlength=8)
    expected = np.array([c.distinct for c in classes]) * labels.size / sum(c.distinct for c in classes)
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_passes_take_every_image_once(small: Benchmark, noise: ImageSet) -> None:
    """95 images: the seventh batch of 15 has the end of one pass and the beginning of the next."""
    stream = episodes(small, noise, "train")
    drawn = stream.draw_images(0, 19, 15, passes=True)
    images = drawn.images.flatten()
    assert sorted(images[:95].tolist()) == sorted(images[95:190].tolist()) and len(set(images[:95].tolist())) == 95
    assert not torch.equal(images[:95], images[95:190])
    assert torch.equal(stream.draw_images(6, 2, 15, passes=True).images, drawn.images[6:8])
    classes = noise.split("train")
    for image, label in zip(images.tolist(), drawn.classes.flatten().tolist(), strict=True):
        assert classes[label].offset <= image < classes[label].offset + classes[label].distinct


def test_too_few_classes_or_images_is_an_error(small: Benchmark, noise: ImageSet) -> None:
    with pytest.raises(UserError, match="at most 9"):
        episodes(small, noise, queries=10).check()
    with pytest.raises(UserError, match="2 test classes"):
        episodes(small, replace(noise, classes=noise.split("test")[:2])).check()
    with pytest.raises(UserError, match="needs 2 classes, but the data have 1 test class: add some, or split"):
        episodes(small, replace(noise, classes=noise.split("test")[:1])).fitting().check()


def test_another_process_draws_the_same(small: Benchmark, noise: ImageSet) -> None:
    code = (
        "from bench.episodes.images import ImageEpisodes; from bench.protocols.benchmarks import Benchmark;"
        "from bench.data.images import ImageClass, ImageSet;"
        "b = Benchmark('small', 'noise', 3, 2, (1, 12, 12), rotations=True);"
        "c = [ImageClass(str(k), 'test', 192 + 12 * k, 12, 11 if k == 0 else 12) for k in range(8)];"
        "stream = ImageEpisodes(b, ImageSet('noise', None, tuple(c), ''), 'test', 0, b.episode(3));"
        "print(stream.draw(4, 1).images.tolist())"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str(drawn(small, noise, first=4, count=1).images.tolist())


PINNED_CLASSES = [[1, 5, 4], [2, 0, 7]]
PINNED_TURNS = [[3, 3, 3], [2, 2, 0]]
PINNED_IMAGES = [[208, 212, 204, 215, 207], [253, 260, 252, 262, 255], [242, 251, 246, 248, 250]]


def test_turned_copies_are_classes_of_their_own(small: Benchmark, noise: ImageSet) -> None:
    stream = replace(episodes(small, noise), rotations="classes")
    draw, shown = stream.draw(0, 2000), stream.episodes(0, 40)
    assert stream.class_count == 32 and stream.class_name(4 * 2 + 3) == f"{stream.classes[2].name}, turned by 270"
    assert torch.equal(draw.turns, draw.classes % 4)
    assert all(len(set(row)) == small.ways for row in draw.classes.tolist())
    assert stats.chisquare(np.bincount(draw.classes.flatten().numpy(), minlength=32)).pvalue > 1e-3
    meet = np.mean([len({c // 4 for c in row}) < small.ways for row in draw.classes.tolist()])
    assert meet == pytest.approx(1 - 28 / 31 * 24 / 30, abs=0.04)  # copies of one class in one episode
    first = noise.images[draw.images[0, :, 0].numpy()]
    for way in range(small.ways):
        wanted = np.rot90(first[way], int(draw.turns[0, way]))[..., 0]
        np.testing.assert_array_equal(shown.support[0, way * small.shots, 0] * 255, wanted)
    turns, classes = (part.flatten() for part in stream.draw_images(0, 40, 64)[1:3])
    assert torch.equal(turns, classes % 4) and set(classes.tolist()) == set(range(32))


def test_upright_is_without_turns(small: Benchmark, noise: ImageSet) -> None:
    turned, upright = (replace(episodes(small, noise), rotations=which) for which in (None, "upright"))
    here, there = turned.draw(0, 30), upright.draw(0, 30)
    assert torch.equal(here.images, there.images) and not there.turns.any() and here.turns.any()
    pixels = noise.images[there.images[0, 0, 0]][..., 0]
    np.testing.assert_array_equal(upright.episodes(0, 1).support[0, 0, 0] * 255, pixels)
    assert torch.equal(replace(turned, rotations="turn").draw(0, 30).turns, here.turns)
