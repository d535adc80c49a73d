"""The canonical order of images: by content alone, repeated images last."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.data.arrange import assemble, content_order
from bench.data.images import SourceClass

letters = st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e"]), min_size=1, max_size=8)


@given(letters, st.randoms(use_true_random=False))
def test_the_order_is_of_the_contents_not_of_their_places(contents, random):
    shuffled = random.sample(contents, len(contents))
    order, distinct = content_order(contents, contents)
    other, _ = content_order(shuffled, shuffled)
    assert [contents[i] for i in order] == [shuffled[i] for i in other]
    assert sorted(order) == list(range(len(contents)))
    first, behind = [contents[i] for i in order[:distinct]], [contents[i] for i in order[distinct:]]
    assert first == sorted(set(contents)) and behind == sorted(behind) and set(behind) <= set(first)


def test_images_that_only_become_equal_when_resized_are_repeats_too():
    order, distinct = content_order([b"c", b"b", b"a"], [b"same", b"other", b"same"])
    assert (order, distinct) == ([2, 1, 0], 2)


def _set(*classes):
    """(split, name, grey values of 1 x 1 images)."""
    return [
        SourceClass(name, split, len(values), lambda values=values: np.array(values, np.uint8).reshape(-1, 1, 1, 1))
        for split, name, values in classes
    ]


def _assembled(*classes):
    blocks = []
    return assemble(_set(*classes), None, blocks.append), blocks


def test_the_digest_is_of_split_class_and_content_and_of_nothing_else():
    one, blocks = _assembled(("train", "x", [1, 2, 3]), ("test", "y", [4, 5]))
    same, others = _assembled(("test", "y", [5, 4]), ("train", "x", [3, 1, 2]))
    assert one == same and all(np.array_equal(a, b) for a, b in zip(blocks, others, strict=True))
    changed = [
        _assembled(("train", "x", [1, 2, 3]), ("test", "y", [4, 6])),
        _assembled(("train", "x", [1, 2, 3]), ("valid", "y", [4, 5])),
        _assembled(("train", "x", [1, 2, 3]), ("test", "z", [4, 5])),
        _assembled(("train", "x", [1, 2]), ("test", "y", [3, 4, 5])),
    ]
    assert len({one["digest"], *(each["digest"] for each, _ in changed)}) == 5


def test_classes_stand_by_split_then_name_one_behind_the_other():
    info, _ = _assembled(("test", "a", [1]), ("valid", "b", [2, 3]), ("train", "d", [4]), ("train", "c", [5, 5]))
    assert [(c["split"], c["name"], c["offset"], c["count"], c["distinct"]) for c in info["classes"]] == [
        ("train", "c", 0, 2, 1),
        ("train", "d", 2, 1, 1),
        ("valid", "b", 3, 2, 2),
        ("test", "a", 5, 1, 1),
    ]
    assert info["shape"] == [6, 1, 1, 1] and info["counts"] == {"train": 2, "valid": 1, "test": 1}


def test_all_identical_images_are_found_and_how_far_apart_they_stand():
    info, _ = _assembled(("train", "a", [1, 1, 2, 3]), ("train", "b", [2, 4]), ("valid", "c", [3, 5]))
    assert info["identical"]["kinds"] == {"within a class": 1, "across classes": 1, "across splits": 1}
    named = {frozenset(place.rsplit("/", 1)[0] for place in group) for group in info["identical"]["groups"]}
    assert named == {frozenset({"train/a"}), frozenset({"train/a", "train/b"}), frozenset({"train/a", "valid/c"})}
