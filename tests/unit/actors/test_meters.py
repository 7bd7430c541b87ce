import pytest

from actors.meters import Pace, Quantiles, Rate


def test_nothing_has_no_quantile() -> None:
    assert Quantiles().quantile(0.5) is None


@pytest.mark.parametrize(
    ("q", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (0.995, 100.0), (1.0, 100.0)]
)
def test_a_quantile_is_the_smallest_value_that_enough_are_not_above(
    q: float, expected: float
) -> None:
    quantiles = Quantiles(100)
    for value in range(100, 0, -1):
        quantiles.add(float(value))
    assert quantiles.quantile(q) == expected


def test_only_the_last_values_count() -> None:
    quantiles = Quantiles(10)
    quantiles.add(1.0, times=50)
    quantiles.add(2.0, times=10)
    assert quantiles.quantile(0.0) == 2.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_is_the_mean_over_whole_seconds() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    for _ in range(20):
        rate.add(3)
        rate.add(4)
        clock.now += 1
    assert rate.per_second() == 7.0


def test_a_rate_forgets_what_is_older_than_its_window() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    clock.now += 5
    rate.add(100)
    clock.now += 10
    assert rate.per_second() == 10.0
    clock.now += 1
    assert rate.per_second() == 0.0


def test_a_young_rate_divides_by_its_age() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    rate.add(8)
    assert rate.per_second() == 0.0
    clock.now += 2
    assert rate.per_second() == 4.0


def test_a_pace_is_what_pieces_take_lately() -> None:
    pace = Pace(newest=0.5)
    assert pace.seconds_for(10) is None
    pace.add(10, 1.0)
    assert pace.seconds_for(10) == pytest.approx(1.0)
    pace.add(10, 3.0)
    assert pace.seconds_for(10) == pytest.approx(2.0)
    assert pace.seconds_for(0) == 0.0
