"""Copies of data sets from which the golden digests are drawn."""

from tests.data.conftest import prepared_mini_imagenet, real_mini_imagenet

__all__ = ["prepared_mini_imagenet", "real_mini_imagenet"]
