"""The stations of the simulation against what queueing theory says of them."""

from array import array
from collections.abc import Callable
from math import factorial

import numpy as np
import pytest

from benchmarks.scaling.constants import Constant
from benchmarks.scaling.station import Station
from benchmarks.scaling.timeline import Timeline

JOBS = 60_000
SPREAD = Constant(
    value=1.0, unit="s", kind="assumed", source="", points=((0.0, 0.2), (0.9, 1.0), (1.0, 6.0))
)
"""Most jobs are short, some are long."""

Draw = Callable[[], float]


class Waits:
    """Jobs that come by chance to a station, and how long each waited."""

    def __init__(self, cores: int = 1) -> None:
        self.timeline = Timeline()
        self.station = Station(self.timeline, cores)
        self.chance = np.random.default_rng(7)

    def stream(self, per_s: float, work: Draw, *, urgent: bool = True) -> "array[float]":
        """Let jobs come; the waits are filled in while the timeline runs."""
        waits = array("d")

        def come() -> None:
            work_s, came_s = work(), self.timeline.now_s

            def done() -> None:
                waits.append(self.timeline.now_s - came_s - work_s)

            self.station.put(work_s, done, urgent=urgent)
            self.timeline.after(self.chance.exponential(1.0 / per_s), come)

        self.timeline.after(0.0, come)
        return waits

    def exponential(self, mean_s: float) -> Draw:
        """Return what draws work of one mean."""
        return lambda: float(self.chance.exponential(mean_s))


@pytest.mark.parametrize("use", [0.3, 0.6, 0.8])
def test_waits_of_m_m_1(use: float) -> None:
    queue = Waits()
    waits = queue.stream(use, queue.exponential(1.0))
    queue.timeline.run(JOBS / use)
    assert np.mean(waits) == pytest.approx(use / (1.0 - use), rel=0.06)
    assert queue.station.busy_s / queue.timeline.now_s == pytest.approx(use, rel=0.02)


def test_waits_of_m_g_1_are_pollaczek_s() -> None:
    queue = Waits()
    rate = 0.7 / SPREAD.mean
    waits = queue.stream(rate, SPREAD.drawer(queue.chance))
    queue.timeline.run(JOBS / rate)
    expected = rate * SPREAD.second_moment / (2.0 * (1.0 - 0.7))
    assert np.mean(waits) == pytest.approx(expected, rel=0.05)


def test_waits_of_two_classes_are_cobham_s() -> None:
    queue = Waits()
    first_rate, other_rate = 0.3 / SPREAD.mean, 0.4
    urgent = queue.stream(first_rate, SPREAD.drawer(queue.chance))
    others = queue.stream(other_rate, queue.exponential(1.0), urgent=False)
    queue.timeline.run(JOBS / other_rate)
    residual = (first_rate * SPREAD.second_moment + other_rate * 2.0) / 2.0
    assert np.mean(urgent) == pytest.approx(residual / 0.7, rel=0.05)
    assert np.mean(others) == pytest.approx(residual / (0.7 * 0.3), rel=0.06)


def test_waits_of_m_m_2_are_erlang_s() -> None:
    queue = Waits(cores=2)
    offered = 1.4
    waits = queue.stream(offered, queue.exponential(1.0))
    queue.timeline.run(JOBS / offered)
    full = offered**2 / factorial(2) / (1.0 - offered / 2.0)
    waiting = full / (1.0 + offered + full)
    assert np.mean(waits) == pytest.approx(waiting / (2.0 - offered), rel=0.06)
    assert queue.station.busy_s / queue.timeline.now_s == pytest.approx(offered, rel=0.02)


def test_who_is_cleared_is_never_heard_of_again() -> None:
    timeline = Timeline()
    station = Station(timeline)
    heard = list[str]()
    station.put(2.0, lambda: heard.append("under way"))
    station.put(1.0, lambda: heard.append("waiting"))
    timeline.run(1.0)
    assert station.waiting == 2
    station.clear()
    assert (station.waiting, station.busy_s) == (0, 1.0)
    station.put(0.5, lambda: heard.append("after"))
    timeline.run(5.0)
    assert heard == ["after"]
    assert station.busy_s == 1.5


def test_what_is_slow_takes_longer_and_deeds_of_a_moment_keep_their_order() -> None:
    timeline = Timeline()
    station = Station(timeline)
    station.slowness = 4.0
    order = list[str]()
    station.put(0.5, lambda: order.append("slow"))
    timeline.after(2.0, lambda: order.append("same moment, put later"))
    timeline.run(1.9)
    assert order == []
    timeline.run(2.0)
    assert order == ["slow", "same moment, put later"]


def test_what_is_drawn_has_the_moments_of_its_points() -> None:
    draw = SPREAD.drawer(np.random.default_rng(3))
    drawn = np.array([draw() for _ in range(100_000)])
    assert drawn.mean() == pytest.approx(SPREAD.mean, rel=0.01)
    assert (drawn**2).mean() == pytest.approx(SPREAD.second_moment, rel=0.02)
    assert 0.2 <= drawn.min() <= drawn.max() <= 6.0
    assert np.quantile(drawn, 0.9) == pytest.approx(1.0, rel=0.02)
