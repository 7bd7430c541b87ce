from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from benchmarks.quality.service import LIST, Shown, look
from benchmarks.quality.taste_switch import MOST, NEW, OLD, SETTLED, STAY, Switch, measure, switch
from recsys.settings import EngineSettings
from simulators.audience import Person
from simulators.worlds import World, WorldSettings

HALF = LIST // 2


class Scripted:
    """Shows the old genre, and after the switch as many new items as it is told.

    Parameters
    ----------
    script
        New items of each list after the switch; the last one for good.
    """

    def __init__(self, world: World, script: Sequence[int]) -> None:
        has = world.catalogue.genres > 0.0
        self._old = _ids(world, has[:, OLD])
        self._new = _ids(world, has[:, NEW] & ~has[:, OLD])
        self._script = script
        self._turned = 0
        self.found = list[str]()
        self.times = list[float]()

    def click(self, person: Person, at_s: float, item: str) -> None:
        self.found.append(item)

    def show(self, world: World, person: Person, at_s: float) -> Shown:
        self.times.append(at_s)
        n_new = 0
        if person.favourite == NEW:
            n_new = self._script[min(self._turned, len(self._script) - 1)]
            self._turned += 1
        return look(world, person, self._new[:n_new] + self._old[: LIST - n_new])


def _ids(world: World, chosen: NDArray[np.bool_]) -> list[str]:
    return [world.catalogue.ids[row] for row in np.flatnonzero(chosen)]


def way(script: Sequence[int]) -> Switch:
    world = World(WorldSettings(seed=7, n_people=5, n_items=300))
    return switch(Scripted(world, script), world, world.guest(0, [OLD]), 0.0)


@pytest.mark.parametrize(
    ("script", "interactions", "to_stay"),
    [
        ([HALF], 0, 0),
        ([0, 2, HALF - 1, HALF], 3, 3),
        ([0, LIST, 0, 0, 0, 0, 0, HALF], 1, 7),
        # Half on average over the next lists, though not in each of them.
        ([0, LIST, HALF - 1, HALF], 1, 1),
        ([HALF - 1], MOST, MOST),
        ([0, LIST, 0], 1, MOST),
    ],
)
def test_interactions_are_the_lists_before_the_one_that_is_half_new(
    script: list[int], interactions: int, to_stay: int
) -> None:
    found = way(script)
    assert found.interactions == interactions
    assert found.interactions_to_stay == to_stay


def test_a_person_settles_first_and_turns_between_two_visits() -> None:
    found = way([0, HALF])
    assert len(found.old_shares) >= SETTLED
    assert found.old_shares[-STAY:] == [1.0] * STAY
    assert len(found.new_shares) == len(found.clicks) == MOST
    world = World(WorldSettings(seed=7, n_people=5, n_items=300))
    n_old = int((world.catalogue.genres[:, OLD] > 0.0).sum())
    assert found.old_clicks + found.old_items_left == n_old
    assert found.old_items_left > 0


def test_people_turn_from_one_visit_to_the_next() -> None:
    world = World(WorldSettings(seed=7, n_people=5, n_items=300))
    pauses, others = list[float](), list[float]()
    for number in range(12):
        service = Scripted(world, [HALF])
        found = switch(service, world, world.guest(number, [OLD]), 0.0)
        gaps = np.diff(service.times).tolist()
        pauses.append(gaps.pop(len(found.old_shares) - 1))
        others += gaps
    # Ten minutes on average, as between visits; most pauses are those within a visit.
    assert np.median(pauses) > 120.0
    assert np.median(others) < 60.0


class Deaf(Scripted):
    """Shows nothing that anybody likes."""

    @override
    def show(self, world: World, person: Person, at_s: float) -> Shown:
        rows = np.argsort(world.wanted(person))[:LIST].tolist()
        return look(world, person, [world.catalogue.ids[row] for row in rows])


def test_a_taste_is_settled_for_an_engine_that_serves_badly_too() -> None:
    world = World(WorldSettings(seed=7, n_people=5, n_items=600))
    service = Deaf(world, [0])
    found = switch(service, world, world.guest(0, [OLD]), 0.0)
    assert len(set(service.found)) == len(service.found) >= 0.8 * len(found.old_shares)
    assert found.old_clicks >= len(service.found)
    assert (world.catalogue.genres[world.rows(service.found), OLD] > 0.0).all()


def test_a_small_measure_repeats_itself() -> None:
    one = measure(3, EngineSettings(), warm=40, people=2)
    assert one == measure(3, EngineSettings(), warm=40, people=2)
    assert 0 <= one["interactions"] <= one["interactions_to_stay"] <= MOST
    assert one["new_share_after_0"] <= 1.0
