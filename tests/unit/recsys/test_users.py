"""A person's own state, and who stays in memory."""

import numpy as np
import pytest

from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord
from recsys.past import Consumed, Seen
from recsys.tastes import Tastes
from recsys.users import User, UserTable


class Shelf:
    """A store's users, which counts how often it is asked."""

    def __init__(self, *user_ids: str) -> None:
        self.records = {user_id: pack(User(user_id=user_id, clicks=1)) for user_id in user_ids}
        self.asked = list[str]()

    def load(self, user_id: str) -> bytes | None:
        self.asked.append(user_id)
        return self.records.get(user_id)


def test_likes_are_kept_in_order_and_bounded() -> None:
    user = User(user_id="u")
    for step, item in enumerate([1, 2, 3, 4]):
        user.like(item, 10 * step, 3)
    assert (user.items.tolist(), user.times_ms.tolist()) == ([2, 3, 4], [10, 20, 30])
    assert (user.items.dtype.name, user.times_ms.dtype.name) == ("int32", "int64")
    user.like(9, 40, 1)
    assert (user.items.tolist(), user.times_ms.tolist(), user.last_liked) == ([9], [40], 9)


def test_what_was_liked_is_no_longer_only_seen() -> None:
    user = User(user_id="u", seen=Seen.of([(1, 2), (4, 1), (3, 5)]))
    user.like(4, 1, 5)
    assert user.seen.counts() == [(1, 2), (3, 5)]


def test_what_was_liked_before_a_moment_is_forgotten() -> None:
    user = User(user_id="u", items=np.array([1, 2, 3], np.int32), times_ms=np.array([5, 4, 6]))
    user.forget(5)
    assert (user.items.tolist(), user.times_ms.tolist()) == ([1, 3], [5, 6])


def test_a_narrower_bound_takes_hold_at_once() -> None:
    user = User(
        user_id="u",
        items=np.array([1, 2, 3, 4], np.int32),
        times_ms=np.array([1, 2, 3, 4]),
        consumed=Consumed.of([1, 2, 3]),
    )
    user.like(5, 5, 2)
    user.consumed.add(9, 2)
    assert (user.items.tolist(), user.times_ms.tolist()) == ([4, 5], [4, 5])
    assert user.consumed == Consumed.of([3, 9])


def test_what_was_consumed_last_is_remembered_longest() -> None:
    user = User(user_id="u")
    for item in (1, 2, 3, 1, 4):
        user.consumed.add(item, 3)
    assert user.consumed == Consumed.of([3, 1, 4])
    assert (1 in user.consumed, 2 in user.consumed) == (True, False)


def test_two_people_share_no_state() -> None:
    one, other = User(user_id="a"), User(user_id="b")
    one.like(1, 1, 5)
    one.consumed.add(1, 5)
    one.seen.count(np.array([1], np.int32), 5)
    one.tastes.lessons = 1
    assert other == User(user_id="b")
    assert (len(other.items), len(other.times_ms)) == (0, 0)
    assert (other.seen, other.consumed, other.tastes) == (Seen(), Consumed(), Tastes())


def test_a_person_survives_the_record() -> None:
    user = User(user_id="u", events=3, model=b"sealed", consumed=Consumed.of([7, 2]))
    user.like(4, 10, 5)
    user.seen.count(np.array([9, 8, 9], np.int32), 5)
    user.tastes = Tastes.of([(3, 0.25, 0.1, 2), (1, -0.5, 0.9, 4)], 4)
    copy = unpack(pack(user), User)
    assert copy == user
    assert pack(copy) == pack(user)


def test_looking_up_makes_nobody() -> None:
    shelf = Shelf("stored")
    table = UserTable(shelf.load, room=10)
    assert table.get("stranger") is None
    stored = table.get("stored")
    assert stored is not None
    assert stored.clicks == 1
    assert table.get("stored") is stored
    assert shelf.asked == ["stranger", "stored"]
    assert (len(table), table.dirty()) == (1, [])


def test_touching_makes_people_and_marks_them() -> None:
    table = UserTable(Shelf("stored").load, room=10)
    assert table.touch("new").clicks == 0
    assert table.touch("stored").clicks == 1
    assert [user.user_id for user in table.dirty()] == ["new", "stored"]
    table.clean()
    assert table.dirty() == []
    assert len(table) == 2


def test_those_who_changed_least_recently_leave() -> None:
    table = UserTable(Shelf().load, room=2)
    for user_id in ("a", "b", "c", "d", "a"):
        table.touch(user_id)
    table.clean()
    assert [user.user_id for user in table.spill(unsaved=())] == ["b", "c"]
    assert (len(table), table.spilled) == (2, 2)
    assert table.spill(unsaved=()) == []


def test_who_is_not_in_the_store_yet_stays() -> None:
    table = UserTable(Shelf().load, room=1)
    for user_id in ("unsaved", "saved", "newest"):
        table.touch(user_id)
    table.clean()
    table.touch("dirty")
    assert [user.user_id for user in table.spill(unsaved={"unsaved"})] == ["saved", "newest"]
    assert len(table) == 2


def test_looking_up_many_makes_a_crowd_until_they_leave() -> None:
    shelf = Shelf(*(f"u{n}" for n in range(10)))
    table = UserTable(shelf.load, room=3)
    crowded = list[bool]()
    for n in range(5):
        table.get(f"u{n}")
        crowded.append(table.crowded)
    assert crowded == [False, False, False, True, True]
    table.spill(unsaved=())
    assert (len(table), table.crowded) == (3, False)


@pytest.mark.parametrize(
    "damaged",
    [
        {"items": [2**31]},
        {"items": [1.5]},
        {"items": b"four"},
        {"items": {1: 2}},
        {"items": [[1], [2]]},
        {"times_ms": [None]},
        {"times_ms": [2**63]},
        {"seen": {1: 2**31}},
        {"seen": {"one": 1}},
        {"seen": [1, 2]},
        {"consumed": {0.5: None}},
        {"consumed": [1]},
    ],
)
def test_what_is_no_person_is_refused(damaged: dict[str, object]) -> None:
    with pytest.raises(CorruptRecord, match="the record is no User"):
        unpack(pack({"user_id": "u", **damaged}), User)
