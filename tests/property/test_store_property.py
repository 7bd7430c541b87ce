"""Whatever is appended, repeated, contradicted, captured, crashed: a store equals plain lists."""

import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from recsys.checks.store import OpenStore
from recsys.codec import pack
from recsys.events import Decision, Event, Feedback, ItemRemove, ItemUpsert, Slot
from recsys.store.base import Append, Outcome, Store
from recsys.store.memory import MemoryStore
from tests.property.strategies import events, ids
from tests.stores import MemoryPlace, SqlitePlace

RETENTION = 12


class Draft(msgspec.Struct, frozen=True):
    """An event in small: equal numbers are the same id, equal variants the same content."""

    number: int
    variant: int
    ts_ms: int

    def event(self) -> Event:
        key, item, ts_ms = f"event-{self.number}", f"item-{self.variant}", self.ts_ms
        match self.number % 4:
            case 0:
                slots = (Slot(item, 0.5),)
                return Decision(
                    event_id=key, user_id="u", ts_ms=ts_ms, slots=slots, policy="learner"
                )
            case 1:
                return Feedback(event_id=key, user_id="u", ts_ms=ts_ms, type="click", item_id=item)
            case 2:
                return ItemUpsert(event_id=key, ts_ms=ts_ms, item_id=item)
            case _:
                return ItemRemove(event_id=key, ts_ms=ts_ms, item_id=item)


DRAFTS = st.builds(
    Draft,
    number=st.integers(0, 39),
    variant=st.sampled_from((0, 0, 0, 1)),
    ts_ms=st.integers(0, 3),
)
RECORDS = st.dictionaries(ids(), st.binary(max_size=20).map(pack), max_size=3)


class StoreMachine(RuleBasedStateMachine):
    """The model: the whole log as a list, what is retained of it, parts and users."""

    def __init__(self) -> None:
        super().__init__()
        self.open_store = self.place()
        self.store: Store = self.open_store()
        self.log: list[Draft] = []
        self.pruned = 0
        self.snapshot = 0
        self.parts: dict[str, bytes] = {}
        self.users: dict[str, bytes] = {}

    def place(self) -> OpenStore:
        return MemoryPlace(log_events=RETENTION)

    def expected(self, draft: Draft) -> Append:
        for sequence, earlier in list(enumerate(self.log, start=1))[self.pruned :]:
            if earlier.number == draft.number:
                same = earlier.variant == draft.variant
                return Append(Outcome.DUPLICATE if same else Outcome.CONFLICT, sequence)
        self.log.append(draft)
        return Append(Outcome.ACCEPTED, len(self.log))

    @rule(drafts=st.lists(DRAFTS, max_size=10))
    def append(self, drafts: list[Draft]) -> None:
        appends = self.store.append([draft.event() for draft in drafts])
        assert appends == [self.expected(draft) for draft in drafts]

    @rule(data=st.data(), parts=RECORDS, users=RECORDS)
    def commit(self, data: st.DataObject, parts: dict[str, bytes], users: dict[str, bytes]) -> None:
        self.snapshot = data.draw(st.integers(self.snapshot, len(self.log)), label="sequence")
        self.store.commit_snapshot(self.snapshot, parts, users)
        self.pruned = max(self.pruned, self.snapshot - RETENTION)
        self.parts = parts
        self.users |= users

    @rule()
    def crash(self) -> None:
        self.store = self.open_store()

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        after = data.draw(st.integers(0, len(self.log)), label="after")
        rows = [(n, draft.event()) for n, draft in enumerate(self.log, start=1)]
        assert list(self.store.read(after=after)) == rows[max(after, self.pruned) :]
        sequence, event = data.draw(st.sampled_from(rows), label="row")
        if sequence > self.pruned:
            assert self.store.find(event.event_id) == (sequence, event)

    @invariant()
    def equals_the_model(self) -> None:
        assert self.store.last_sequence == len(self.log)
        assert self.store.snapshot_sequence == self.snapshot
        assert self.store.load() == self.parts
        users = {user_id: self.store.load_user(user_id) for user_id in self.store.user_ids()}
        assert users == self.users
        assert list(users) == sorted(self.users)


class SqliteMachine(StoreMachine):
    """The same, on files; a crash goes on with a copy of the files as they lie there."""

    @override
    def place(self) -> OpenStore:
        self.folder = tempfile.TemporaryDirectory()
        self.files = SqlitePlace(Path(self.folder.name), log_events=RETENTION)
        return self.files

    @override
    def teardown(self) -> None:
        self.files.close()
        self.folder.cleanup()


TestMemoryStore = StoreMachine.TestCase
TestMemoryStore.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSqliteStore = SqliteMachine.TestCase
TestSqliteStore.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


@given(st.lists(events(), max_size=5, unique_by=lambda event: event.event_id))
def test_any_events_are_read_back(batch: list[Event]) -> None:
    store = MemoryStore()
    store.append(batch)
    store = store.reopened()
    assert list(store.read(after=0)) == list(enumerate(batch, start=1))
    assert {append.outcome for append in store.append(batch)} <= {Outcome.DUPLICATE}


@settings(max_examples=30, deadline=None)
@given(st.lists(events(), max_size=5, unique_by=lambda event: event.event_id), RECORDS)
def test_any_events_and_users_are_read_back_from_a_file(
    batch: list[Event], users: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder, SqlitePlace(Path(folder)) as place:
        store = place()
        store.append(batch)
        store.commit_snapshot(len(batch), users, users)
        store = place()
        assert list(store.read(after=0)) == list(enumerate(batch, start=1))
        assert store.load() == users
        assert {user_id: store.load_user(user_id) for user_id in store.user_ids()} == users
