"""This process as the only worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bench.runs.groups import GroupListener, SeedGroup, Started, Work, WorkOptions, shows_work
from bench.training.watch import Stop


@dataclass(frozen=True)
class InProcess:
    """Works through the seed groups one after the other. An error ends all work, and reaches the caller."""

    work: Work
    workers: int = 1

    def run(self, groups: Sequence[SeedGroup], options: WorkOptions, on_event: GroupListener, stop: Stop) -> None:
        """Completes every group, until `stop` returns True."""
        worked = False
        for place, group in enumerate(groups):
            if worked and stop():
                return
            on_event(place, Started())
            ended = self.work(group, options, partial(on_event, place), stop, 0)
            worked |= shows_work(ended)
            on_event(place, ended)
