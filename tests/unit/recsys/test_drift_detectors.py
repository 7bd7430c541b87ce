"""The drift detectors: they find an abrupt change for the worse, and hardly ever cry wolf."""

import math

import numpy as np
import pytest
from river.drift import PageHinkley

from recsys.codec import pack, unpack
from recsys.drift.detectors import ShardDetector, clicks_fell
from recsys.errors import CorruptRecord, IncompatibleState
from recsys.settings import UserDriftSettings
from recsys.users import Unrest
from tests.engines import KEY

SETTINGS = UserDriftSettings()


def alarms(unrest: Unrest, clicks: list[int], from_ms: int = 0) -> list[int]:
    """Return after which lists there was an alarm."""
    return [
        number
        for number, count in enumerate(clicks)
        if clicks_fell(unrest, count, from_ms + number, SETTINGS)
    ]


def poisson(mean: float, n: int, seed: int) -> list[int]:
    return [int(count) for count in np.random.default_rng(seed).poisson(mean, n)]


def binomial(rate: float, n: int, seed: int) -> list[float]:
    return [float(hit) for hit in np.random.default_rng(seed).random(n) < rate]


@pytest.mark.parametrize("seed", range(10))
def test_a_person_who_stops_clicking_is_noticed_within_a_dozen_lists(seed: int) -> None:
    unrest = Unrest()
    assert alarms(unrest, poisson(1.5, 30, seed)) == []
    found = alarms(unrest, [0] * 12, from_ms=30)
    assert found
    # The fall began where the person turned, give or take what chance did before.
    assert 20 <= unrest.top_ms <= 31


def test_people_who_stay_the_same_seldom_raise_an_alarm() -> None:
    lists = 100
    found = sum(bool(alarms(Unrest(), poisson(1.5, lists, seed))) for seed in range(50))
    # Three alarms in 1,000 lists: the price of noticing a turn six lists after it.
    assert found <= 15


def test_who_clicks_more_than_before_raises_no_alarm() -> None:
    assert alarms(Unrest(), [*poisson(0.5, 30, 1), *poisson(4.0, 30, 2)]) == []


def test_nobody_is_judged_by_a_few_lists() -> None:
    assert alarms(Unrest(), [20, *[0] * (SETTINGS.lists - 2)]) == []
    assert alarms(Unrest(), [20, *[0] * (SETTINGS.lists - 1)]) == [SETTINGS.lists - 1]


def test_a_person_who_was_stored_is_judged_as_if_they_had_not_been() -> None:
    clicks = [*poisson(1.5, 25, 3), *[0] * 12]
    one, other = Unrest(), Unrest()
    for count in clicks:
        first = clicks_fell(one, count, 0, SETTINGS)
        other = unpack(pack(other), Unrest)
        assert clicks_fell(other, count, 0, SETTINGS) is first
        assert pack(one) == pack(other)


class _Rivers(PageHinkley):
    """River's own test, as a person's last list left it."""

    def __init__(self, unrest: Unrest) -> None:
        deviation = math.sqrt(max(unrest.mean, 0.1))
        super().__init__(
            min_instances=SETTINGS.lists,
            delta=SETTINGS.slack * deviation,
            threshold=SETTINGS.threshold * deviation,
            mode="down",
        )
        if unrest.lists:
            self._x_mean.update(unrest.mean, w=unrest.lists)
            self._sum_decrease = unrest.fall
            self._max_decrease = unrest.top  # type: ignore[assignment]

    def numbers(self) -> tuple[float, float, float, float]:
        return self._x_mean.n, self._x_mean.get(), self._sum_decrease, self._max_decrease


@pytest.mark.parametrize("seed", range(5))
def test_a_persons_test_is_that_of_river(seed: int) -> None:
    unrest, found = Unrest(), 0
    for number, count in enumerate([*poisson(2.5, 200, seed), *poisson(0.3, 100, seed)]):
        test, top, top_ms = _Rivers(unrest), unrest.top, unrest.top_ms
        test.update(float(count))  # type: ignore[no-untyped-call]
        fell = clicks_fell(unrest, count, number, SETTINGS)
        assert fell == test.drift_detected
        assert (unrest.lists, unrest.mean, unrest.fall, unrest.top) == test.numbers()
        assert unrest.top_ms == (number if not number or unrest.top > top else top_ms)
        found += fell
    assert found


@pytest.mark.parametrize(("worse", "before", "after"), [("down", 0.3, 0.1), ("up", 0.1, 0.3)])
def test_a_shard_that_gets_worse_is_noticed(worse: str, before: float, after: float) -> None:
    one = detector(worse)
    assert not any([one.update(value) for value in binomial(before, 1000, 1)])
    assert any([one.update(value) for value in binomial(after, 500, 2)])


@pytest.mark.parametrize(("worse", "before", "after"), [("down", 0.1, 0.3), ("up", 0.3, 0.1)])
def test_a_shard_that_gets_better_raises_no_alarm(worse: str, before: float, after: float) -> None:
    one = detector(worse)
    values = [*binomial(before, 1000, 1), *binomial(after, 1000, 2)]
    assert not any([one.update(value) for value in values])


def test_a_shard_that_stays_the_same_seldom_raises_an_alarm() -> None:
    found = 0
    for seed in range(10):
        one = detector("down")
        found += any([one.update(value) for value in binomial(0.15, 5000, seed)])
    assert found <= 1


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    one, other = detector("down"), detector("down")
    for value in binomial(0.3, 777, 1):
        one.update(value)
    other.restore(one.snapshot())
    later = binomial(0.1, 400, 2)
    assert [one.update(value) for value in later] == [other.update(value) for value in later]
    assert one.snapshot() == other.snapshot()


def test_a_detector_of_somebody_else_is_refused() -> None:
    foreign = ShardDetector("down", 0.002, b"x" * 32)
    with pytest.raises(CorruptRecord, match="not written by this installation"):
        detector("down").restore(foreign.snapshot())


def test_another_confidence_is_incompatible() -> None:
    with pytest.raises(IncompatibleState, match="ADWIN"):
        detector("down").restore(ShardDetector("down", 0.1, KEY).snapshot())


def detector(worse: str) -> ShardDetector:
    return ShardDetector("up" if worse == "up" else "down", 0.002, KEY)
