"""All people in memory, where they fit: the store is not asked for anybody, whoever they are."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest
from typing_extensions import override

from recsys.engine import Engine
from recsys.errors import CorruptRecord
from recsys.events import PartitionOut, UserErase
from recsys.partition import partition_of
from recsys.people import People
from recsys.settings import EngineSettings, UserSettings
from recsys.store.memory import MemoryStore
from recsys.store.sqlite import SqliteStore
from tests.engines import KEY, ask, engine_with, feedback


class Counting(MemoryStore):
    """Remembers for whom it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = list[str]()

    @override
    def load_user(self, user_id: str) -> bytes | None:
        self.asked.append(user_id)
        return super().load_user(user_id)


def settings(room: int) -> EngineSettings:
    return EngineSettings(users=UserSettings(in_memory=room))


def lived(store: MemoryStore, n: int, room: int = 100) -> Engine:
    """Return an engine that was opened after ``n`` people had clicked once each."""
    before = engine_with(
        [feedback(f"u{one}", f"i{one % 7}", 1000 + one) for one in range(n)], settings(room), store
    )
    before.snapshot()
    return Engine(store, settings(room), KEY)


def pages(people: People) -> Iterator[int]:
    """Bring all in, and yield how many were read at a time."""
    while (wanted := people.wanted()) is not None:
        rows = people.read(wanted)
        for _ in people.admit(wanted, rows):
            pass
        yield len(rows)


def test_who_is_in_memory_and_who_is_a_stranger_needs_no_store() -> None:
    store = Counting()
    engine = lived(store, 1203, room=2000)
    assert list(pages(engine.people)) == [500, 500, 203, 0]
    assert engine.stats().users_in_memory == 1203
    store.asked.clear()
    assert ask(engine, "u77", "d1").fallback is False
    assert ask(engine, "nobody", "d2").fallback is True
    engine.apply([feedback("u3", "i1", 9000), feedback("new", "i1", 9001)])
    assert store.asked == []
    view = engine.user("u3")
    assert view is not None
    assert view.events == 2


def test_an_empty_store_is_complete_at_once() -> None:
    engine = engine_with([], settings(5))
    assert list(pages(engine.people)) == [0]
    assert engine.people.wanted() is None


def test_too_many_are_left_where_they_are() -> None:
    store = Counting()
    engine = lived(store, 11, room=10)
    assert engine.people.wanted() is None
    ask(engine, "u1", "d1")
    assert store.asked[-1] == "u1"


def test_they_are_the_first_to_leave_and_then_the_store_is_asked_again() -> None:
    store = Counting()
    engine = lived(store, 3, room=4)
    engine.apply([feedback("u2", "i1", 5000)])
    list(pages(engine.people))
    engine.apply([feedback("new", "i1", 5001), feedback("newer", "i1", 5002)])
    engine.snapshot()
    store.asked.clear()
    assert engine.stats().users_in_memory == 4
    assert engine.user("u2") is not None
    assert store.asked == []
    left = [one for one in ("u0", "u1") if engine.user(one) is not None and one in store.asked]
    assert len(left) == 1, "one of those who did nothing has left, and is found in the store"


def test_what_has_changed_since_it_was_read_is_not_overwritten() -> None:
    engine = lived(MemoryStore(), 3)
    wanted = engine.people.wanted()
    assert wanted is not None
    rows = engine.people.read(wanted)
    engine.apply([feedback("u1", "i1", 5000)])
    list(engine.people.admit(wanted, rows))
    view = engine.user("u1")
    assert view is not None
    assert view.events == 2


def test_who_was_erased_since_they_were_read_stays_a_stranger() -> None:
    store = MemoryStore()
    engine = lived(store, 3)
    wanted = engine.people.wanted()
    assert wanted is not None
    rows = engine.people.read(wanted)
    engine.apply([UserErase(event_id="r1", user_id="u1", ts_ms=5000)])
    # A snapshot takes them out of the store, after which nothing else remembers that they went.
    engine.snapshot()
    steps = engine.people.admit(wanted, rows)
    assert next(steps, "over") == "over", "what was read before is not taken in"
    list(pages(engine.people))
    assert engine.user("u1") is None
    assert engine.stats().users_in_memory == 2


def test_who_leaves_between_two_pages_is_read_again() -> None:
    store = Counting()
    engine = lived(store, 600, room=600)
    bringing = pages(engine.people)
    assert next(bringing) == 500
    # One more than fits: somebody of the first page has to leave, and is in the store.
    engine.apply([feedback(f"u{one}", "i1", 9001) for one in range(600)])
    engine.apply([feedback("a-new-one", "i1", 9002)])
    engine.snapshot()
    assert list(bringing) == []
    store.asked.clear()
    assert sum(engine.user(f"u{one}") is None for one in range(600)) == 0
    assert store.asked != []


def test_the_first_are_read_again_once_they_fit_again() -> None:
    engine = lived(MemoryStore(), 3, room=3)
    with patch("recsys.people._PAGE", 1):
        bringing = pages(engine.people)
        assert next(bringing) == 1
        engine.apply([feedback(user, "i1", 9000) for user in ("u1", "u2", "u3")])
        engine.snapshot()
        assert next(bringing, None) is None, "u0 had to leave, and four are too many"
        engine.apply([UserErase(event_id="r1", user_id="u3", ts_ms=9001)])
        engine.snapshot()
        assert list(pages(engine.people)) == [1, 1, 1, 0]
    assert engine.user("u0") is not None


def test_who_left_the_store_with_a_snapshot_does_not_come_back_from_a_page() -> None:
    engine = lived(MemoryStore(), 3)
    here = partition_of("u1", 4)
    engine.apply([PartitionOut(event_id="out", ts_ms=5000, partition=here, partitions=4, epoch=2)])
    wanted = engine.people.wanted()
    assert wanted is not None
    rows = engine.people.read(wanted)
    assert "u1" in dict(rows), "the store holds them until the next snapshot"
    engine.snapshot()
    list(engine.people.admit(wanted, rows))
    assert engine.user("u1") is None


def test_a_state_made_anew_has_nobody() -> None:
    engine = lived(MemoryStore(), 5)
    list(pages(engine.people))
    assert engine.people.wanted() is None
    engine.heal()
    assert list(pages(engine.people)) == [5, 0]


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "log.sqlite")
    before = engine_with([feedback(f"u{one}", "i1", 1000) for one in range(3)], settings(9), store)
    before.snapshot()
    with store._file.use() as connection:  # noqa: SLF001 - nobody else could damage it
        connection.execute("UPDATE users SET user_id = 'u9' WHERE user_id = 'u1'")
    engine = Engine(store, settings(9), KEY)
    wanted = engine.people.wanted()
    assert wanted is not None
    with pytest.raises(CorruptRecord, match="u9"):
        engine.people.read(wanted)
    engine.close()


def test_pages_go_on_where_the_last_one_ended() -> None:
    engine = lived(MemoryStore(), 1100, room=2000)
    seen = list[str]()
    while (wanted := engine.people.wanted()) is not None:
        rows = engine.people.read(wanted)
        seen += [user_id for user_id, _ in rows]
        list(engine.people.admit(wanted, rows))
    assert len(seen) == 1100
    assert all(one < other for one, other in pairwise(seen))
