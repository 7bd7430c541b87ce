"""Who is served where."""

import pytest

from actors.errors import NotOwned
from actors.shard_map import Moving, ShardMap
from actors.territory import Territory
from recsys.counters import Move
from recsys.events import Feedback, ItemRemove

MAP = ShardMap.dealt_out(2, 4)
WHO = {MAP.partition_of(name): name for name in map(str, range(50))}


def test_the_map_counts_where_the_log_says_nothing() -> None:
    territory = Territory(1, MAP, dict)
    assert list(territory.owned) == [1, 3]
    territory.check(WHO[1])
    with pytest.raises(NotOwned, match="partition 2 is not with shard 1"):
        territory.check(WHO[2])


def test_the_log_counts_more_than_an_older_map() -> None:
    moves = {1: Move(5, came=False), 2: Move(6, came=True)}
    territory = Territory(1, MAP, lambda: moves)
    territory.check(WHO[2])
    with pytest.raises(NotOwned):
        territory.check(WHO[1])
    moves[1] = Move(7, came=True)
    territory.check(WHO[1])
    assert list(territory.owned) == [1, 2, 3]


def test_a_newer_map_counts_more_than_the_log() -> None:
    moves = {1: Move(5, came=False), 2: Move(6, came=True)}
    territory = Territory(1, MAP, lambda: moves)
    territory.adopt(ShardMap(6, (0, 1, 0, 1)))
    assert list(territory.owned) == [1, 2, 3], "the move of its own epoch is the newest word"
    territory.adopt(ShardMap(7, (0, 1, 0, 1)))
    assert list(territory.owned) == [1, 3]
    territory.adopt(ShardMap(3, (0, 0, 0, 0)))
    assert list(territory.owned) == [1, 3], "an older map says nothing"


def test_nobody_of_a_partition_that_is_held_is_served() -> None:
    moves = dict[int, Move]()
    territory = Territory(1, MAP, lambda: moves)
    territory.hold(1, epoch=4)
    for check in (territory.check, territory.check_still):
        with pytest.raises(NotOwned):
            check(WHO[1])
    territory.check(WHO[3])
    territory.check_still(WHO[2])
    assert list(territory.owned) == [3]
    assert territory.held == (1,)
    territory.release(1)
    territory.check(WHO[1])
    territory.hold(1, epoch=4)
    moves[1] = Move(4, came=False)
    territory.release(1)
    with pytest.raises(NotOwned):
        territory.check(WHO[1])


def test_a_map_ends_the_holding_of_moves_that_it_knows_of() -> None:
    territory = Territory(1, MAP, dict)
    territory.hold(1, epoch=4)
    territory.adopt(ShardMap(4, MAP.owners))
    assert territory.held == (1,), "the map with which the move began"
    territory.adopt(ShardMap(5, MAP.owners, Moving(1, 1, 0, 4)))
    assert territory.held == (1,), "it still goes on"
    territory.adopt(ShardMap(6, MAP.owners))
    assert not territory.held
    territory.check(WHO[1])


def test_a_shard_that_is_opened_in_a_move_waits_for_its_end() -> None:
    territory = Territory(1, ShardMap(5, MAP.owners, Moving(3, 1, 0, 4)), dict)
    assert list(territory.owned) == [1]
    territory.adopt(ShardMap(6, (0, 1, 0, 0)))
    assert not territory.held
    assert list(territory.owned) == [1]


def test_events_are_taken_if_all_their_people_belong_here() -> None:
    territory = Territory(0, MAP, dict)

    def click(user_id: str) -> Feedback:
        return Feedback(event_id=user_id, user_id=user_id, ts_ms=1, type="click", item_id="i")

    remove = ItemRemove(event_id="r", ts_ms=1, item_id="i")
    territory.check_events((click(WHO[0]), remove, click(WHO[2])))
    with pytest.raises(NotOwned):
        territory.check_events((click(WHO[0]), remove, click(WHO[3])))
