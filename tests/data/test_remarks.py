"""Remarks on a data set, counted from a manifest."""

from __future__ import annotations

from bench.data.remarks import in_two_splits, remarks


def test_images_in_two_splits_are_counted_once_a_group():
    groups = [
        ["train/a/1", "train/a/2"],
        ["train/a/3", "test/b/1"],
        ["train/a/4", "train/c/4", "test/b/2"],
        ["train/a/5", "valid/d/1", "test/b/3"],
    ]
    assert in_two_splits(groups) == [
        "1 image is in training and in validation",
        "3 images are in training and in test",
        "1 image is in validation and in test",
    ]
    assert in_two_splits([["train/test/1", "train/valid/2"]]) == []


def test_remarks_are_of_the_splits_the_broken_files_and_the_notes():
    manifest = {"identical": {"groups": [["train/a/1", "test/b/1"]]}, "corrupt": ["x"], "notes": ["n"]}
    assert remarks(manifest) == (
        "1 image is in training and in test",
        "1 broken image file was left out",
        "n",
    )
    assert remarks({"identical": {"groups": []}}) == ()  # written before there were notes
