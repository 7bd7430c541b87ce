import numpy as np
import pytest
from typing_extensions import override

from benchmarks.quality import cold_users, regret
from benchmarks.quality.service import LIST, Shown, look
from recsys.settings import EngineSettings
from simulators import offline
from simulators.audience import Person
from simulators.worlds import World, WorldSettings


class Oracle:
    """Shows everybody their best list, or the worst."""

    def __init__(self, *, worst: bool = False) -> None:
        self._worst = worst

    def show(self, world: World, person: Person, at_s: float) -> Shown:
        items = offline.oracle(world, person, len(world.catalogue.ids))
        return look(world, person, items[-LIST:] if self._worst else items[:LIST])


SMALL = WorldSettings(seed=7, n_people=10, n_items=60, shift_probability=0.0, stay_lists=None)


def test_the_oracle_has_no_regret_and_its_contrary_has_nearly_all() -> None:
    best = regret.second_half(Oracle(), World(SMALL), 200)
    assert best.regret == pytest.approx(0.0, abs=1e-9)
    worst = regret.second_half(Oracle(worst=True), World(SMALL), 200)
    assert worst.regret > 0.9
    # Who was served well has less left to like: why regret is a share.
    assert best.best < worst.best


def test_only_the_second_half_counts() -> None:
    class Improving(Oracle):
        lists = 0

        @override
        def show(self, world: World, person: Person, at_s: float) -> Shown:
            self.lists += 1
            self._worst = self.lists <= 100
            return super().show(world, person, at_s)

    assert regret.second_half(Improving(), World(SMALL), 200).regret == pytest.approx(0.0, abs=1e-9)


def test_a_small_regret_repeats_itself() -> None:
    one = regret.measure(3, EngineSettings(), n_lists=60)
    assert one == regret.measure(3, EngineSettings(), n_lists=60)
    assert one["ratio"] == pytest.approx(one["regret"] / one["regret_popularity_moves_on"])
    assert one["regret"] == pytest.approx(1.0 - one["click_rate"] / one["best_rate"])


def test_everybody_new_is_served_ten_lists_by_each() -> None:
    world = World(WorldSettings(seed=7, n_people=10, n_items=60))
    served = cold_users.serve(Oracle(), world, 5, 100.0)
    assert [len(lists) for lists in served] == [cold_users.LISTS] * 5
    again = cold_users.serve(Oracle(), world, 5, 100.0)
    assert [[one.clicks for one in lists] for lists in served] == [
        [one.clicks for one in lists] for lists in again
    ]
    expected = np.mean([one.expected for lists in served for one in lists[:1]]) / LIST
    assert cold_users.rate(served, 1) == pytest.approx(float(expected))
    assert cold_users.rate(served) < cold_users.rate(served, 1)


def test_a_small_cold_start_is_held_against_the_better_popularity() -> None:
    one = cold_users.measure(3, EngineSettings(), warm=40, newcomers=4)
    assert one == cold_users.measure(3, EngineSettings(), warm=40, newcomers=4)
    better = max(one["click_rate_popularity_moves_on"], one["click_rate_popularity_stays"])
    assert one["ratio"] == pytest.approx(one["click_rate"] / better)
    assert 0.0 < one["of_best"] < 1.0
