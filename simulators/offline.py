"""Visits without a server: a function ranks, people look and click."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from simulators.audience import Person
from simulators.truth import best_popular
from simulators.worlds import World

__all__ = ["Played", "Ranker", "oracle", "play", "popularity", "random"]

Ranker = Callable[[World, Person, int], Sequence[str]]
"""Given the world, a person and a length, the list to show."""

_RANDOM_STREAM: Final = 4


@dataclass(frozen=True)
class Played:
    """Sums over all visits."""

    lists: int
    shown: int
    clicks: int

    @property
    def click_rate(self) -> float:
        """Clicks per shown slot, 0 when nothing was shown."""
        return self.clicks / self.shown if self.shown else 0.0


def play(world: World, ranker: Ranker, n_visits: int, n: int = 10) -> Played:
    """Let ``n_visits`` visits happen one after the other, with lists of ``n``."""
    lists = shown = clicks = 0
    for _, seat in islice(world.arrivals(), n_visits):
        visit = world.visit(seat)
        for _ in range(visit.rounds):
            items = ranker(world, visit.person, n)
            lists += 1
            shown += len(items)
            clicks += len(world.look(visit.person, items))
    return Played(lists, shown, clicks)


def oracle(world: World, person: Person, n: int) -> Sequence[str]:
    """Rank by the truth."""
    order = np.argsort(-world.wanted(person), kind="stable")[:n]
    return [world.catalogue.ids[row] for row in order]


def popularity(world: World) -> Ranker:
    """Return a ranker that shows everybody the best list for all, less what they watched."""
    order = best_popular(world, len(world.catalogue.ids))
    rows = {item_id: row for row, item_id in enumerate(world.catalogue.ids)}

    def rank(_: World, person: Person, n: int) -> Sequence[str]:
        return [item_id for item_id in order if rows[item_id] not in person.watched][:n]

    return rank


def random(world: World) -> Ranker:
    """Return a ranker that draws uniformly from what a person has not watched."""
    rng = np.random.default_rng([world.settings.seed, _RANDOM_STREAM])

    def rank(world: World, person: Person, n: int) -> Sequence[str]:
        rows = rng.permutation(len(world.catalogue.ids))
        return [world.catalogue.ids[row] for row in rows if row not in person.watched][:n]

    return rank
