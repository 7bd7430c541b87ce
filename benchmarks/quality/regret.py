"""Regret against the oracle where nothing changes, and epsilon-greedy popularity's beside it.

In a stationary world nobody's taste turns, nobody leaves and no item comes. ``regret`` is the share
of the possible clicks that was missed, over the second half of ``LISTS`` lists::

    regret = 1 - clicks expected of the lists shown / clicks expected of the best lists

where the best list is the same person's at the same moment: what they watched already is worth
little to them, whoever recommended it. So an engine that has used up the best items is not held
against them; but that also makes what is possible shrink for whoever served well (``best_rate``,
clicks per slot), and regret in clicks per list (``ratio_in_clicks``) fall without any merit.
Therefore regret is a share, and ``ratio``, the engine's over popularity's, is one of shares.

Popularity learns online from the clicks on its own lists, in a world of its own that is the same at
the start. It is epsilon-greedy (``EPSILON``) by estimated click rates, is told how people read a
list, and moves on to items that a person was not shown yet; ``ratio_to_stays`` is over the usual
one, which shows what was passed over again and again and has the larger regret.
"""

from statistics import mean
from typing import Final, NamedTuple

from benchmarks.quality.popularity import LearnedPopularity
from benchmarks.quality.seeds import Figures, measured
from benchmarks.quality.service import LIST, Embedded, Service, play
from recsys.settings import EngineSettings
from simulators.worlds import World, WorldSettings

__all__ = ["Half", "main", "measure", "second_half"]

SEATS: Final = 150
ITEMS: Final = 1000
LISTS: Final = 8000
EPSILON: Final = 0.1


def _world(seed: int) -> World:
    return World(
        WorldSettings(
            seed=seed, n_people=SEATS, n_items=ITEMS, shift_probability=0.0, stay_lists=None
        )
    )


class Half(NamedTuple):
    """The second half of a run, in clicks per list.

    Attributes
    ----------
    got, best
        Expected of the lists that were shown, and of the best ones.
    """

    got: float
    best: float

    @property
    def regret(self) -> float:
        """Share of the possible clicks that was missed."""
        return 1.0 - self.got / self.best


def second_half(service: Service, world: World, n_lists: int) -> Half:
    """Serve a world and look at the second half."""
    seen, _ = play(service, world, n_lists)
    half = [shown for _, shown in seen[n_lists // 2 :]]
    return Half(mean(one.expected for one in half), mean(one.best for one in half))


def measure(seed: int, settings: EngineSettings, *, n_lists: int = LISTS) -> Figures:
    """Measure one world."""
    world = _world(seed)
    engine = second_half(Embedded.open(world.catalogue, settings), world, n_lists)
    moves_on, stays = (_popularity(seed, n_lists, moves_on=moves_on) for moves_on in (True, False))
    return {
        "ratio": engine.regret / moves_on.regret,
        "ratio_to_stays": engine.regret / stays.regret,
        "ratio_in_clicks": (engine.best - engine.got) / (moves_on.best - moves_on.got),
        "regret": engine.regret,
        "regret_popularity_moves_on": moves_on.regret,
        "regret_popularity_stays": stays.regret,
        "click_rate": engine.got / LIST,
        "best_rate": engine.best / LIST,
    }


def _popularity(seed: int, n_lists: int, *, moves_on: bool) -> Half:
    world = _world(seed)
    return second_half(LearnedPopularity(world, epsilon=EPSILON, moves_on=moves_on), world, n_lists)


def main() -> None:
    """Run as a command."""
    parameters = {"seats": SEATS, "items": ITEMS, "lists": LISTS, "epsilon": EPSILON}
    measured("regret", "Regret in a world that stays as it is", parameters, measure)


if __name__ == "__main__":
    main()
