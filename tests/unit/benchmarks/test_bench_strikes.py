from collections import Counter

import pytest

from benchmarks.server import SHARDS
from benchmarks.strikes import IN_RECOVERY, plan
from recsys.killpoints import POINTS

ONCE_EACH = len(POINTS) + len(IN_RECOVERY)
"""Kills that it takes to come to every point once: who dies in a recovery has died before."""


@pytest.mark.parametrize("kills", [1, 5, ONCE_EACH, 50, 201])
@pytest.mark.parametrize("seed", [1, 2])
def test_so_many_are_killed(kills: int, seed: int) -> None:
    assert sum(strike.kills for strike in plan(kills, seed)) == kills


def test_every_point_comes_first() -> None:
    assert [strike.point for strike in plan(ONCE_EACH, 1)] == list(POINTS)


def test_half_at_points_in_turn_and_half_at_random() -> None:
    strikes = plan(200, 1)
    points = Counter(strike.point for strike in strikes if strike.point is not None)
    assert set(points) == set(POINTS)
    assert max(points.values()) - min(points.values()) <= 1
    assert 90 <= points.total() <= 110
    assert Counter(shard for strike in strikes for shard in strike.shards).keys() == set(
        range(SHARDS)
    )


def test_sometimes_all_at_once_and_sometimes_twice() -> None:
    names = Counter(strike.name for strike in plan(200, 1))
    assert min(names["random"], names["random, all shards"], names["random, twice"]) >= 5
    assert {strike.kills for strike in plan(200, 1)} == {1, 2}


def test_a_seed_says_it_all() -> None:
    assert plan(60, 1) == plan(60, 1)
    assert plan(60, 1) != plan(60, 2)
