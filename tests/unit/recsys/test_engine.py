"""The engine's order of things: check, append, fold, capture, commit."""

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typing_extensions import override

from recsys.candidates.popular import Popular
from recsys.decision import Request
from recsys.engine import Engine
from recsys.errors import CorruptRecord, InvalidEvent, StoreError, StoreLocked
from recsys.events import Attributes, Decision, Event, Feedback, ItemUpsert, Slot
from recsys.settings import CatalogueSettings, EngineSettings, StoreSettings, UserSettings
from recsys.store.base import Outcome
from recsys.store.memory import MemoryStore
from recsys.store.records import DeadLetter
from recsys.users import User
from tests.engines import KEY, ask, asked, engine_with, feedback, item, items


def people(n: int, first_ms: int = 1000) -> list[Event]:
    return [feedback(f"u{number}", f"i{number % 5}", first_ms + number) for number in range(n)]


def clicks(engine: Engine, n: int) -> list[int | None]:
    views = [engine.user(f"u{number}") for number in range(n)]
    return [None if view is None else view.clicks for view in views]


class FaultyStore(MemoryStore):
    """Neither writes snapshots nor reads people while it is told to fail."""

    faulty = False

    @override
    def load_user(self, user_id: str) -> bytes | None:
        if self.faulty:
            detail = "the disk does not answer"
            raise StoreError(detail)
        return super().load_user(user_id)

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
        if self.faulty:
            detail = "the disk is full"
            raise StoreError(detail)
        super().commit_snapshot(sequence, parts, users, gone=gone, letters=letters)


def test_outcomes_say_what_became_of_each_event() -> None:
    engine = engine_with()
    first = feedback("u", "i1", 1000)
    other = Feedback(event_id=first.event_id, user_id="u", ts_ms=1, type="click", item_id="i2")
    outcomes = [append.outcome for append in engine.apply([first, first, other])]
    assert outcomes == [Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.CONFLICT]
    assert engine.stats().feedback == {"click": 1}
    assert engine.stats().sequence == 1


def test_a_batch_with_one_bad_event_is_refused_whole() -> None:
    engine = engine_with()
    bad = Feedback(event_id="b", user_id="u", ts_ms=0, type="glance", item_id="i")
    with pytest.raises(InvalidEvent) as caught:
        engine.apply([feedback("u", "i1", 1000), bad])
    assert caught.value.pointer == "/1/type"
    assert (engine.stats().sequence, engine.store.last_sequence) == (0, 0)


def test_what_was_answered_can_be_looked_up_once_it_is_logged() -> None:
    engine = engine_with(items(5))
    decision = ask(engine, "u", "d")
    assert engine.decision("d") is None
    engine.apply([decision])
    assert engine.decision("d") == decision
    assert engine.decision("item-0-None") is None, "another kind of event"


@pytest.mark.parametrize(
    "event",
    [
        item(1, attributes={"year": 1994}),
        feedback("u", "i1", 1, "rating", value=4),
        Decision(event_id="d", user_id="u", ts_ms=1, slots=(Slot("i1", 1, 2),), policy="p"),
        Decision(event_id="d", user_id="u", ts_ms=1, slots=(), policy="p", context={"hour": 17}),
    ],
    ids=["attribute", "value", "slot", "context"],
)
def test_whole_numbers_are_learned_as_the_log_returns_them(event: Event, tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    engine.apply([event])
    before = engine.fingerprint()
    engine.close()
    reopened = Engine.open(tmp_path)
    assert reopened.fingerprint() == before
    assert reopened.stats().failed == 0
    repeat = reopened.apply([next(reopened.store.read(after=0))[1]])
    assert repeat[0].outcome is Outcome.DUPLICATE
    reopened.close()


def test_what_a_caller_changes_afterwards_is_not_learned() -> None:
    tags = ["crime"]
    attributes: Attributes = {"tags": tags}
    engine = engine_with([ItemUpsert(event_id="e", ts_ms=1, item_id="i", attributes=attributes)])
    before = engine.fingerprint()
    tags.append("drama")
    attributes["year"] = 1.0
    assert engine.fingerprint() == before


@pytest.mark.parametrize(
    ("event", "changes", "words"),
    [
        (item(1), {"ts_ms": 5.5}, r"Expected `int`, got `float` - at `\$\.ts_ms`"),
        (item(1), {"item_id": 7}, "Expected `str`, got `int`"),
        (item(1), {"attributes": {"a": None}}, "got `None`"),
        (item(1), {"ts_ms": 2**64}, "can't serialize ints"),
        (item(1), {"item_id": "\ud800"}, "surrogates not allowed"),
        (item(1), {"attributes": {"a": np.float64(1.0)}}, "numpy.float64 is unsupported"),
        (feedback("u", "i1", 1), {"value": True}, "got `bool`"),
    ],
    ids=["fraction", "number", "nothing", "too large", "surrogate", "numpy", "truth"],
)
def test_what_the_log_could_not_read_again_is_refused(
    event: Event, changes: dict[str, object], words: str
) -> None:
    engine = engine_with()
    with pytest.raises(InvalidEvent, match=words) as caught:
        engine.apply([item(2), msgspec.structs.replace(event, **changes)])
    assert caught.value.pointer == "/1"
    assert engine.store.last_sequence == 0


def test_a_full_catalogue_refuses_new_items_by_name() -> None:
    engine = engine_with(items(3), EngineSettings(catalogue=CatalogueSettings(max_items=3)))
    with pytest.raises(InvalidEvent) as caught:
        engine.apply([item(0, ts_ms=99), item(3)])
    assert caught.value.pointer == "/1/item_id"
    assert "catalogue.max_items is 3" in caught.value.detail
    engine.apply([item(0, ts_ms=99), feedback("u", "new", 1000)])
    stats = engine.stats()
    assert (stats.items, stats.evicted["items"], stats.failed) == (3, 1, 0)


def test_items_that_do_not_all_fit_are_refused_together() -> None:
    engine = engine_with(items(1), EngineSettings(catalogue=CatalogueSettings(max_items=3)))
    with pytest.raises(InvalidEvent) as caught:
        engine.apply([item(0, ts_ms=99), item(1), item(2), item(2, ts_ms=98), item(3)])
    assert caught.value.pointer == "/4/item_id"
    assert engine.stats().items == 1
    engine.apply([item(1), item(2)])
    assert engine.stats().items == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"candidates": "heat"}, r"got `str` - at `\$.candidates`"),
        ({"user_id": 5}, "Expected `str`, got `int`"),
        ({"ts_ms": 1.5}, "Expected `int`, got `float`"),
        ({"n": "3"}, "Expected `int`, got `str`"),
        ({"context": {"a": [1]}}, "got `array`"),
        ({"context": {"a": 10**400}}, "serialize ints"),
        ({"user_id": "\ud800"}, "surrogates"),
    ],
)
def test_a_question_of_the_wrong_types_is_refused(changes: dict[str, object], words: str) -> None:
    request = msgspec.structs.replace(Request(user_id="u", ts_ms=1, decision_id="d"), **changes)
    with pytest.raises(InvalidEvent, match=words):
        engine_with(items(3)).recommend(request)


def test_an_event_that_fails_is_counted_and_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    learn = Popular.learn

    def moody(self: Popular, user: User, item: int, ts_ms: int, strength: float) -> None:
        if ts_ms == 2000:
            message = "no likes at two seconds past midnight"
            raise ArithmeticError(message)
        learn(self, user, item, ts_ms, strength)

    monkeypatch.setattr(Popular, "learn", moody)
    store = MemoryStore()
    events = [
        *items(3),
        feedback("u", "i0", 1000),
        feedback("u", "i1", 2000),
        feedback("u", "i2", 3000),
    ]
    with caplog.at_level(logging.ERROR):
        engine = engine_with(events, store=store)
    assert "event 5 of kind Feedback failed" in caplog.text
    assert (engine.stats().failed, engine.stats().sequence) == (1, 6)
    view = engine.user("u")
    assert view is not None
    assert [recent.item_id for recent in view.recent] == ["i2", "i0"]
    reopened = Engine(store.reopened(), EngineSettings(), KEY)
    assert reopened.stats().failed == 1
    assert reopened.fingerprint() == engine.fingerprint()


def test_asking_leaves_nothing_behind() -> None:
    settings = EngineSettings(users=UserSettings(in_memory=2))
    engine = engine_with([*items(5), *people(8)], settings)
    asked(engine, "u0", "d")
    engine.snapshot()
    engine.apply([feedback("u1", "i4", 5000)])
    before = engine.fingerprint()
    for number in range(10):
        ask(engine, f"u{number}", f"other-{number}")
        engine.user(f"u{number}")
        engine.decision("d")
    assert engine.fingerprint() == before
    engine.snapshot()
    assert engine.fingerprint() == before


def test_idle_people_leave_memory_and_come_back_equal() -> None:
    settings = EngineSettings(users=UserSettings(in_memory=3))
    engine, roomy = (engine_with([*items(5), *people(10)], each) for each in (settings, None))
    views = [roomy.user(f"u{number}") for number in range(10)]
    assert engine.stats().users_in_memory == 10, "nobody leaves before their record is durable"
    engine.snapshot()
    assert engine.stats().users_in_memory == 3
    assert engine.stats().evicted["users"] == 7
    assert [engine.user(f"u{number}") for number in range(10)] == views
    for each in (engine, roomy):
        each.apply(people(10, first_ms=2000))
        each.snapshot()
    assert engine.fingerprint() == roomy.fingerprint()


def test_looking_at_many_people_does_not_fill_memory() -> None:
    engine = engine_with([*items(5), *people(40)], EngineSettings(users=UserSettings(in_memory=4)))
    engine.snapshot()
    for number in range(40):
        engine.user(f"u{number}")
        ask(engine, f"u{number}", f"d{number}")
        assert engine.stats().users_in_memory <= 2 * 4 + 1


def test_a_failed_commit_keeps_its_people_for_the_next() -> None:
    store = FaultyStore()
    settings = EngineSettings(users=UserSettings(in_memory=1))
    engine = engine_with([*items(5), *people(4)], settings, store)
    store.faulty = True
    with pytest.raises(StoreError, match="disk is full"):
        engine.snapshot()
    assert engine.stats().snapshot_sequence == 0
    engine.apply([feedback("u0", "i4", 9000)])
    expected = [2, 1, 1, 1]
    assert clicks(engine, 4) == expected
    store.faulty = False
    capture = engine.capture()
    assert set(capture.users) == {"u0", "u1", "u2", "u3"}
    engine.commit(capture)
    engine.committed(capture)
    assert engine.stats().users_in_memory == 1
    assert clicks(engine, 4) == expected
    assert clicks(Engine(store.reopened(), settings, KEY), 4) == expected


def test_what_a_failing_store_kept_from_being_learned_is_learned_at_the_next_opening() -> None:
    store = FaultyStore()
    settings = EngineSettings(users=UserSettings(in_memory=1))
    engine = engine_with([*items(5), *people(3)], settings, store)
    engine.snapshot()
    store.faulty = True
    with pytest.raises(StoreError, match="does not answer"):
        engine.apply([feedback("u0", "i4", 9000)])
    store.faulty = False
    engine.apply([feedback("u1", "i4", 9001)])
    with pytest.raises(StoreError, match="event 9 is in the log but not learned"):
        engine.snapshot()
    reopened = Engine(store.reopened(), settings, KEY)
    assert clicks(reopened, 3) == [2, 2, 1]
    reopened.snapshot()
    assert reopened.stats().failed == 0


def test_who_changes_while_a_snapshot_is_written_is_in_the_next() -> None:
    store = MemoryStore()
    settings = EngineSettings(users=UserSettings(in_memory=1))
    engine = engine_with([*items(5), *people(3)], settings, store)
    capture = engine.capture()
    engine.apply([feedback("u0", "i4", 9000)])
    engine.commit(capture)
    engine.committed(capture)
    assert engine.stats().snapshot_sequence == 8
    assert clicks(engine, 3) == [2, 1, 1]
    assert clicks(Engine(store.reopened(), settings, KEY), 3) == [2, 1, 1]
    assert set(engine.capture().users) == {"u0"}


def test_a_late_commit_does_not_let_go_of_what_a_later_capture_holds() -> None:
    engine = engine_with([*items(5), *people(3)], EngineSettings(users=UserSettings(in_memory=1)))
    first = engine.capture()
    engine.apply([feedback("u0", "i4", 9000)])
    engine.capture()
    engine.apply([feedback("u1", "i4", 9001), feedback("u2", "i4", 9002)])
    engine.commit(first)
    engine.committed(first)
    assert clicks(engine, 3) == [2, 2, 2]


def test_stats_are_a_copy() -> None:
    engine = engine_with([*items(3), feedback("u", "i0", 1000)])
    asked(engine, "u", "d")
    stats = engine.stats()
    asked(engine, "u", "d2")
    engine.apply([feedback("u", "i1", 2000)])
    assert (stats.arms["learner"].decisions, stats.feedback["click"]) == (1, 1)


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_log_is_as_long_as_the_settings_say(tmp_path: Path, on_disk: bool) -> None:
    settings = EngineSettings(store=StoreSettings(log_events=1000))
    engine = Engine.open(tmp_path if on_disk else None, settings)
    engine.apply(people(1200))
    engine.snapshot()
    assert [sequence for sequence, _ in engine.store.read(after=0)] == list(range(201, 1201))
    engine.close()


@pytest.mark.parametrize("mask", [0o022, 0o000], ids=["usual", "open"])
def test_the_key_is_readable_by_its_owner_alone(tmp_path: Path, mask: int) -> None:
    former = os.umask(mask)
    try:
        Engine.open(tmp_path / "deep" / "down").close()
    finally:
        os.umask(former)
    key = tmp_path / "deep" / "down" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_bytes()) == 32
    assert sorted(path.name for path in key.parent.iterdir()) == [
        "key",
        "log.sqlite",
        "log.sqlite-mark",
    ]


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_half_a_key_is_no_key(tmp_path: Path, content: bytes) -> None:
    Engine.open(tmp_path).close()
    (tmp_path / "key").write_bytes(content)
    for _ in range(2):  # the store must have been let go
        with pytest.raises(CorruptRecord, match=f"32 bytes, it holds {len(content)}"):
            Engine.open(tmp_path)


def test_a_key_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "key.new").write_bytes(b"half")
    Engine.open(tmp_path).close()
    assert len((tmp_path / "key").read_bytes()) == 32
    assert not (tmp_path / "key.new").exists()


def test_a_folder_is_open_once(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    with pytest.raises(StoreLocked):
        Engine.open(tmp_path)
    engine.close()
    Engine.open(tmp_path).close()


def test_without_a_folder_all_is_in_memory() -> None:
    engine = Engine.open(None)
    engine.apply([*items(3), feedback("u", "i0", 1000)])
    engine.snapshot()
    assert (engine.stats().snapshot_sequence, engine.settings) == (4, EngineSettings())
    engine.close()
