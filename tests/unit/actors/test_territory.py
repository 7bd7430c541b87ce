"""Who is served where."""

import pytest

from actors.errors import NotOwned
from actors.shard_map import ShardMap
from actors.territory import Territory
from recsys.events import Feedback, ItemRemove
from recsys.state import Move

MAP = ShardMap.dealt_out(2, 4)
WHO = {MAP.partition_of(name): name for name in map(str, range(50))}


def test_the_map_counts_where_the_log_says_nothing() -> None:
    territory = Territory(1, MAP, {})
    assert territory.partitions == 2
    territory.check(WHO[1])
    with pytest.raises(NotOwned, match="partition 2 is not with shard 1"):
        territory.check(WHO[2])


def test_the_log_counts_more_than_an_older_map() -> None:
    moves = {1: Move(5, came=False), 2: Move(6, came=True)}
    territory = Territory(1, MAP, moves)
    territory.check(WHO[2])
    with pytest.raises(NotOwned):
        territory.check(WHO[1])
    moves[1] = Move(7, came=True)
    territory.check(WHO[1])
    assert territory.partitions == 3


def test_nobody_of_a_partition_that_is_held_is_served() -> None:
    moves = dict[int, Move]()
    territory = Territory(1, MAP, moves)
    territory.hold(1)
    with pytest.raises(NotOwned):
        territory.check(WHO[1])
    territory.check(WHO[3])
    assert territory.partitions == 2
    territory.release(1)
    territory.check(WHO[1])
    territory.hold(1)
    moves[1] = Move(1, came=False)
    territory.release(1)
    with pytest.raises(NotOwned):
        territory.check(WHO[1])


def test_events_are_taken_if_all_their_people_belong_here() -> None:
    territory = Territory(0, MAP, {})

    def click(user_id: str) -> Feedback:
        return Feedback(event_id=user_id, user_id=user_id, ts_ms=1, type="click", item_id="i")

    remove = ItemRemove(event_id="r", ts_ms=1, item_id="i")
    territory.check_events((click(WHO[0]), remove, click(WHO[2])))
    with pytest.raises(NotOwned):
        territory.check_events((click(WHO[0]), remove, click(WHO[3])))
