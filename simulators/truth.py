"""What could have been reached: the click rates of perfect, popular and random lists.

A click rate is clicks per shown slot. All rates are expectations, computed from the world as it is
now; nothing is drawn.
"""

from dataclasses import dataclass

import numpy as np

from simulators.audience import Person
from simulators.click_models import examined
from simulators.worlds import World

__all__ = ["Rates", "best_popular", "click_rates", "personal_rates"]


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
    places = {item_id: row for row, item_id in enumerate(world.catalogue.ids)}
    popular = [places[item_id] for item_id in best_popular(world, n)]
    oracle = popularity = random = 0.0
    for person, share in zip(world.people, world.shares.tolist(), strict=True):
        best, uniform = personal_rates(world, person, n)
        oracle += share * best
        random += share * uniform
        popularity += share * float(world.wanted(person)[popular] @ examined(n, person.eta)) / n
    return Rates(oracle, popularity, random)
