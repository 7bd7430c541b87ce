"""What lists of other shards have shown, counted by one call."""

from typing import NamedTuple

import numpy as np
import pytest

from recsys.engine import Engine
from recsys.features.windows import SHOWN, WindowCounts
from recsys.mixing.kernels import count, count_shows
from tests.engines import engine_with, items

MINUTE_MS = 60_000


class Shown(NamedTuple):
    items: list[int]
    ts_ms: int
    weight: float


LISTS = [
    Shown([3, 1, -1, 3], 50 * MINUTE_MS, 1.0),
    Shown([], 51 * MINUTE_MS, 1.0),
    Shown([1, 2], 20 * MINUTE_MS, 10.0 / 3.0),
    Shown([-1], 52 * MINUTE_MS, 4.0),
    Shown([2, 0], 90 * MINUTE_MS, 0.1),
]


def add(windows: WindowCounts, key: int, shown: Shown) -> None:
    count(
        windows.counts,
        windows.last_ms,
        windows.half_lives_ms,
        np.array([key]),
        np.array([SHOWN]),
        np.array([shown.ts_ms]),
        np.array([shown.weight]),
    )


def one_by_one(engine: Engine) -> None:
    state = engine.state
    for shown in LISTS:
        for item in shown.items:
            if item >= 0:
                state.counts.shown[item] += shown.weight
                state.counts.total_shown += shown.weight
                add(state.windows.items, item, shown)
                for token in state.catalogue[item].tokens:
                    add(state.windows.attributes, token, shown)


def at_once(engine: Engine) -> None:
    state = engine.state
    state.counts.total_shown = count_shows(
        state.features.held,
        state.counts.total_shown,
        np.array([item for shown in LISTS for item in shown.items], np.int32),
        np.array([len(shown.items) for shown in LISTS]),
        np.array([shown.ts_ms for shown in LISTS]),
        np.array([shown.weight for shown in LISTS]),
    )


@pytest.mark.parametrize("times", [1, 3])
def test_shows_at_once_are_counted_like_one_after_the_other(times: int) -> None:
    one, other = engine_with(items(4)), engine_with(items(4))
    for _ in range(times):
        at_once(one)
        one_by_one(other)
    assert one.state.parts() == other.state.parts()
    assert one.state.counts.total_shown == other.state.counts.total_shown
    assert one.state.windows.attributes.counts.any()
