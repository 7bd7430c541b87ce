import random

import pytest

from simulators.measure import Latency, Series, Tally


def test_series_merges_windows_and_loses_nothing() -> None:
    series = Series(width_s=1.0, limit=8)
    for second in range(100):
        series.add(second + 0.5, Tally(1, 10, second % 3, 2.0, 0.5))
    assert len(series.windows) <= 8
    assert series.width_s == 16.0
    assert series.total.decisions == sum(window.decisions for window in series.windows) == 100
    assert series.total.clicks == sum(second % 3 for second in range(100))
    assert [window.decisions for window in series.windows] == [16] * 6 + [4]
    assert series.total.best == pytest.approx(200.0)


def test_series_keeps_quiet_times() -> None:
    series = Series(width_s=1.0, limit=8)
    series.add(5.0, Tally(1, 10, 1))
    series.add(0.0, Tally(1, 10, 2))
    assert [window.clicks for window in series.windows] == [2, 0, 0, 0, 0, 1]


def test_click_rate() -> None:
    assert Tally(1, 10, 3).click_rate == 0.3
    assert Tally().click_rate == 0.0


def test_quantiles_are_within_a_bin() -> None:
    rng = random.Random(1)
    values = [rng.lognormvariate(2.0, 1.0) for _ in range(5000)]
    latency = Latency()
    for value in values:
        latency.add(value)
    values.sort()
    for share in (0.01, 0.5, 0.95, 0.99, 1.0):
        exact = values[max(0, round(share * len(values)) - 1)]
        assert exact * 0.99 <= (latency.quantile(share) or 0.0) <= exact * 1.06
    assert latency.count == 5000


def test_extreme_latencies_stay_in_bounds() -> None:
    latency = Latency()
    assert latency.quantile(0.5) is None
    latency.add(0.0)
    assert latency.quantile(1.0) == pytest.approx(0.05)
    latency.add(1e12)
    assert 60_000 < (latency.quantile(1.0) or 0.0) < 1e6
