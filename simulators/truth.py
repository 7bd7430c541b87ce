"""What could have been reached: the click rates of perfect, popular and random lists.

A click rate is clicks per shown slot. All rates are expectations, computed from the world as it is
now; nothing is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.audience import Person
from simulators.catalogue import Catalogue
from simulators.click_models import examined, liked
from simulators.worlds import World

__all__ = [
    "Rates",
    "appeal",
    "best_popular",
    "click_rates",
    "expected_clicks",
    "personal_rates",
]


@dataclass(frozen=True)
class Rates:
    """Click rates of lists of one length.

    Attributes
    ----------
    oracle
        Everybody gets their own best list.
    popularity
        Everybody gets the same list, the best of all such lists.
    random
        Everybody gets items drawn uniformly.
    """

    oracle: float
    popularity: float
    random: float


def personal_rates(world: World, person: Person, n: int) -> tuple[float, float]:
    """Return the expected click rates of this person's best and of a random list of ``n``."""
    wanted = world.wanted(person)
    looked = examined(n, person.eta)
    best = np.sort(np.partition(wanted, -n)[-n:])[::-1]
    return float(best @ looked) / n, float(wanted.mean() * looked.mean())


def expected_clicks(world: World, person: Person, item_ids: Sequence[str]) -> float:
    """Return how many clicks this person would make on this list now, in expectation."""
    rows = world.rows(item_ids)
    return float(world.wanted(person)[rows] @ examined(len(rows), person.eta))


def appeal(catalogue: Catalogue, people: Sequence[Person]) -> NDArray[np.float64]:
    """Return the mean probability, over people, of a click on each item once it is examined.

    Whatever they have watched by now: what the items are worth to people, shape ``(n_items,)``.
    """
    tastes = np.stack([person.tastes for person in people])
    mainstream = np.array([person.mainstream for person in people])
    means: NDArray[np.float64] = liked(catalogue, tastes, mainstream).mean(axis=0)
    return means


def best_popular(world: World, n: int) -> list[str]:
    """Return the non-personal list with the highest expected click rate over all visits.

    People's examination differs only by a decreasing curve, so the items with the highest summed
    probability, ordered by it, are within a hair of the best of all lists.
    """
    totals = np.zeros(len(world.catalogue.ids))
    for person, share in zip(world.people, world.shares.tolist(), strict=True):
        totals += share * examined(n, person.eta).mean() * world.wanted(person)
    order = np.argsort(-totals, kind="stable")[:n]
    return [world.catalogue.ids[row] for row in order]


def click_rates(world: World, n: int = 10) -> Rates:
    """Return the rates over all visits: people weigh as much as they come."""
    popular = best_popular(world, n)
    oracle = popularity = random = 0.0
    for person, share in zip(world.people, world.shares.tolist(), strict=True):
        best, uniform = personal_rates(world, person, n)
        oracle += share * best
        random += share * uniform
        popularity += share * expected_clicks(world, person, popular) / n
    return Rates(oracle, popularity, random)
