"""Both stores pass the conformance suite; broken ones do not."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from typing_extensions import override

from recsys.checks.store import OpenStore, StoreCheck, store_checks
from recsys.errors import StoreError
from recsys.events import Event
from recsys.store.base import Append, Outcome, Store
from recsys.store.memory import MemoryStore
from recsys.store.records import DeadLetter
from recsys.store.sqlite import SqliteStore
from tests.stores import MemoryPlace, SqlitePlace, clicks, sequences

CHECKS = {check.name: check for check in store_checks()}


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    if request.param == "memory":
        yield MemoryPlace()
    else:
        with SqlitePlace(tmp_path) as place:
            yield place


@pytest.fixture(params=["memory", "sqlite"])
def short(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Open stores that keep ten events up to the snapshot."""
    if request.param == "memory":
        yield MemoryPlace(log_events=10)
    else:
        with SqlitePlace(tmp_path, log_events=10) as place:
            yield place


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_conforms(check: StoreCheck, open_store: OpenStore) -> None:
    check.run(open_store)


def test_retention_counts_from_the_snapshot(short: OpenStore) -> None:
    store = short()
    store.append(clicks(1, 40))
    assert sequences(store) == list(range(1, 41))
    store.commit_snapshot(25, {}, {})
    for _ in range(2):
        assert sequences(store) == list(range(16, 41))
        assert [n for n, _ in store.read(after=25)] == list(range(26, 41))
        assert store.find("e15") is None
        assert store.find("e16") == (16, clicks(16, 16)[0])
        assert store.last_sequence == 40
        store = short()


def test_an_id_that_left_the_log_is_new_again(short: OpenStore) -> None:
    store = short()
    store.append(clicks(1, 11))
    store.commit_snapshot(11, {}, {})
    assert store.append(clicks(1, 2)) == [
        Append(Outcome.ACCEPTED, 12),
        Append(Outcome.DUPLICATE, 2),
    ]


def test_an_emptied_log_goes_on_counting(tmp_path: Path) -> None:
    with SqlitePlace(tmp_path, log_events=0) as place:
        for open_store in (MemoryPlace(log_events=0), place):
            store = open_store()
            store.append(clicks(1, 3))
            store.commit_snapshot(3, {}, {})
            store = open_store()
            assert list(store.read(after=0)) == []
            assert store.last_sequence == 3
            assert store.append(clicks(1, 1)) == [Append(Outcome.ACCEPTED, 4)]


@pytest.mark.parametrize("make", [MemoryStore, lambda **options: SqliteStore("unused", **options)])
def test_a_negative_retention_is_refused(make: Callable[..., Store]) -> None:
    with pytest.raises(ValueError, match="log_events must be at least 0, got -1"):
        make(log_events=-1)


class Forgetful(MemoryStore):
    """Loses everything in a crash."""

    @override
    def reopened(self) -> MemoryStore:
        return Forgetful()


class Counting(MemoryStore):
    """Dedupes nothing."""

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        first = self.last_sequence + 1
        return [Append(Outcome.ACCEPTED, first + place) for place in range(len(events))]


class Unanchored(MemoryStore):
    """Writes no positions without events."""

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        return super().append(events, positions) if events else []


class Lenient(MemoryStore):
    """Takes a conflict for a duplicate."""

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        appends = super().append(events, positions)
        return [
            Append(Outcome.DUPLICATE, append.sequence)
            if append.outcome is Outcome.CONFLICT
            else append
            for append in appends
        ]


class Inclusive(MemoryStore):
    """Reads from the sequence instead of after it."""

    @override
    def read(self, *, after: int) -> Iterator[tuple[int, Event]]:
        return super().read(after=after - 1)


class Accumulating(MemoryStore):
    """Keeps the parts that a snapshot did not name."""

    @override
    def commit_snapshot(
        self,
        sequence: int,
        parts: Mapping[str, bytes],
        users: Mapping[str, bytes],
        *,
        gone: Collection[str] = (),
        letters: Sequence[DeadLetter] = (),
    ) -> None:
        super().commit_snapshot(
            sequence, {**self.load(), **parts}, users, gone=gone, letters=letters
        )


class Unsorted(MemoryStore):
    """Lists users backwards."""

    @override
    def user_ids(self) -> Iterator[str]:
        return reversed(list(super().user_ids()))


class Immortal(MemoryStore):
    """Goes on after it was closed."""

    @override
    def close(self) -> None:
        return


class Careless(MemoryStore):
    """Takes any snapshot."""

    @override
    def commit_snapshot(
        self,
        sequence: int,
        parts: Mapping[str, bytes],
        users: Mapping[str, bytes],
        *,
        gone: Collection[str] = (),
        letters: Sequence[DeadLetter] = (),
    ) -> None:
        super().commit_snapshot(self.last_sequence, parts, users, gone=gone, letters=letters)


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (Forgetful, "appended is durable"),
        (Forgetful, "repeats are found after a reopening"),
        (Forgetful, "a snapshot is durable, and the log after it is read"),
        (Counting, "an id is accepted once"),
        (Unanchored, "positions are durable with their events"),
        (Counting, "sequences start at 1 and have no gaps"),
        (Lenient, "a conflict keeps the first"),
        (Lenient, "repeats inside a batch are found"),
        (Inclusive, "reading starts after a sequence"),
        (Accumulating, "a snapshot replaces parts and keeps unchanged users"),
        (Unsorted, "users are listed in order"),
        (Immortal, "closing twice is fine, using it afterwards is not"),
        (Careless, "a snapshot must fit the log"),
    ],
)
def test_a_broken_store_fails(broken: type[MemoryStore], name: str) -> None:
    stores = [broken()]

    def open_store() -> Store:
        last = stores[-1]
        # ``reopened`` gives a sound store; the broken parts are those of the first one.
        stores.append(last.reopened() if len(stores) > 1 or isinstance(last, Forgetful) else last)
        return last

    with pytest.raises(AssertionError, match="expected"):
        CHECKS[name].run(open_store)


def test_the_reopened_memory_store_is_independent() -> None:
    store = MemoryStore()
    store.append(clicks(1, 1))
    other = store.reopened()
    store.append(clicks(2, 2))
    store.close()
    assert other.last_sequence == 1
    assert other.append(clicks(3, 3)) == [Append(Outcome.ACCEPTED, 2)]
    assert store.reopened().last_sequence == 2
    with pytest.raises(StoreError, match="closed"):
        store.append(clicks(4, 4))
