"""The first ten lists of people whom the engine has never seen, against popularity's.

An interaction is a list that the person looked at, with its clicks. A whole world comes first
(``WARM`` lists); then ``NEWCOMERS`` people, one after the other, come for ``LISTS`` lists each, in
visits of a few. ``click_rate`` is clicks per shown slot over all of these lists, in expectation.
The engine goes on learning from them, as it would.

Popularity serves the same people, made again from the same seed. It is no opponent of straw:

- it need not learn. It is the best order for exactly these people that is the same for all, by the
  simulator's own truth: no popularity that counts clicks can be better;
- it does not only leave out what a person watched. ``popularity_moves_on`` goes on to what they
  were not shown yet, while ``popularity_stays`` shows what they passed over again and again, as
  popularity does where nobody thinks of it. ``ratio`` is the engine's click rate over the better
  of the two; ``ratio_to_stays`` is over the latter.

``first_ratio`` is the same as ``ratio`` for the very first list, where nothing is known of anybody.
``of_best`` is the engine's share of what the best lists would have got from the same people.
"""

from collections.abc import Sequence
from itertools import islice
from statistics import mean
from typing import Final

import numpy as np

from benchmarks.quality.popularity import Popularity
from benchmarks.quality.seeds import Figures, measured
from benchmarks.quality.service import LIST, Embedded, Service, Shown, play
from recsys.settings import EngineSettings
from simulators.timeline import looks_of
from simulators.truth import appeal
from simulators.worlds import World, WorldSettings

__all__ = ["main", "measure", "rate", "serve"]

WARM: Final = 5000
NEWCOMERS: Final = 250
LISTS: Final = 10


def serve(
    service: Service, world: World, newcomers: int, from_s: float
) -> Sequence[Sequence[Shown]]:
    """Let newcomers come one after the other; return their lists."""
    served = list[list[Shown]]()
    at_s = from_s
    for number in range(newcomers):
        person = world.guest(number)
        turns = islice(looks_of(world, person, at_s), LISTS)
        shown = list[Shown]()
        for now_s, _ in turns:
            shown.append(service.show(world, person, now_s))
            at_s = now_s
        served.append(shown)
    return served


def rate(served: Sequence[Sequence[Shown]], first: int = LISTS) -> float:
    """Return expected clicks per slot over the first lists of each."""
    return mean(shown.expected for lists in served for shown in lists[:first]) / LIST


def measure(
    seed: int, settings: EngineSettings, *, warm: int = WARM, newcomers: int = NEWCOMERS
) -> Figures:
    """Measure one world."""
    world = World(WorldSettings(seed=seed))
    engine = Embedded.open(world.catalogue, settings)
    _, last_s = play(engine, world, warm)
    served = serve(engine, world, newcomers, last_s)
    people = [world.guest(number) for number in range(newcomers)]
    order: list[int] = np.argsort(-appeal(world.catalogue, people), kind="stable").tolist()
    stays, moves_on = (
        serve(Popularity(order, moves_on=moves_on), world, newcomers, last_s)
        for moves_on in (False, True)
    )
    engine_rate, stays_rate, moves_on_rate = rate(served), rate(stays), rate(moves_on)
    best = sum(shown.best for lists in served for shown in lists)
    return {
        "ratio": engine_rate / max(stays_rate, moves_on_rate),
        "ratio_to_stays": engine_rate / stays_rate,
        "first_ratio": rate(served, 1) / max(rate(stays, 1), rate(moves_on, 1)),
        "click_rate": engine_rate,
        "click_rate_popularity_moves_on": moves_on_rate,
        "click_rate_popularity_stays": stays_rate,
        "of_best": engine_rate * LIST * LISTS * newcomers / best,
    }


def main() -> None:
    """Run as a command."""
    parameters = {"warm": WARM, "newcomers": NEWCOMERS, "lists": LISTS}
    measured("cold_users", "The first ten lists of new people", parameters, measure)


if __name__ == "__main__":
    main()
