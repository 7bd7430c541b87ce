"""Files of every record format and schema ever released are read, and the newest written alike.

When a format changes, its number changes with it: write the files of the new number beside the
old ones, which stay as they are for ever.
"""

import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest

from recsys.codec import FORMAT, decode_event, encode_event, pack, unpack
from recsys.events import (
    Adopt,
    Decision,
    Event,
    Feedback,
    ItemRemove,
    ItemUpsert,
    PartitionIn,
    PartitionOut,
    Slot,
    Tombstone,
    UserErase,
    digest_of,
)
from recsys.mixing.events import Averaged, Mixed, Mixing, Rebased
from recsys.mixing.lessons import Click, Lessons, Like, Show, TasteSums
from recsys.mixing.wire import open_lessons
from recsys.store.base import Append, Outcome
from recsys.store.records import Erasure
from recsys.store.sqlite import SqliteStore
from recsys.store.sqlite_schema import SCHEMA

GOLDEN = Path(__file__).parents[2] / "golden"
FORMATS = range(1, FORMAT + 1)
SCHEMAS = range(1, SCHEMA + 1)

LUGGAGE = b"RS\x02\x10\x00\x00\x00\xb9\xb7&\xf2\x82\xa6people\x90\xa5lists\x90"
"""A record of format 2 inside of an event: what was written stays as it is."""

LESSONS = (GOLDEN / "lessons.record").read_bytes()
"""Lessons inside of an event, as ``recsys.mixing.wire`` first wrote them."""

EVENTS: dict[str, Event] = {
    "decision": Decision(
        event_id="0193f3a1c2d4-décision-☂",
        user_id="user|1:a b",
        ts_ms=1_763_600_000_123,
        slots=(
            Slot("item-1", 0.5, 1.25, b"\x00\x3c\x00\x40"),
            Slot("item-2", 1.0, -0.125, b""),
            Slot("\U0001f431", 5e-324, 1e6, b"\xff"),
        ),
        policy="learner",
        context={"device": "phone", "hour": 17.5, "member": True, "new": False},
        model_sequence=9_007_199_254_740_993,
        threshold=0.0625,
        fallback=True,
    ),
    "decision_of_defaults": Decision(event_id="d", user_id="u", ts_ms=0, slots=(), policy="random"),
    "decision_with_features": Decision(
        event_id="d-2",
        user_id="u",
        ts_ms=1_763_600_000_124,
        slots=(Slot("item-1", 0.5, 1.25, b"\x00\x3c"),),
        policy="learner",
        features=b"\x00\x3c\x00\xc0",
    ),
    "feedback": Feedback(
        event_id="f-1",
        user_id="user|1:a b",
        ts_ms=253_402_300_799_999,
        type="rating",
        item_id="item-1",
        value=4.5,
        decision_id="0193f3a1c2d4-décision-☂",
        context={"page": "home"},
    ),
    "feedback_of_defaults": Feedback(event_id="f", user_id="u", ts_ms=0, type="click", item_id="i"),
    "feedback_that_stands_for_others": Feedback(
        event_id="f-2", user_id="u", ts_ms=1, type="skip", item_id="i", survival=0.125
    ),
    "item_upsert": ItemUpsert(
        event_id="u-1",
        ts_ms=1_763_600_000_124,
        item_id="item-1",
        attributes={"genre": ["noir", "comédie"], "year": 1994.0, "title": "Léon", "sold": False},
    ),
    "item_remove": ItemRemove(event_id="r-1", ts_ms=1_763_600_000_125, item_id="item-1"),
    "adopt": Adopt(
        event_id="a-1",
        ts_ms=1_763_600_000_126,
        version=3,
        choices=70_000,
        record=bytes(range(256)),
        digest=digest_of(bytes(range(256))),
        loss=2.125,
        baseline=2.25,
    ),
    "user_erase": UserErase(event_id="2a-0193f3a1", user_id="user|1:a b", ts_ms=1_763_600_000_127),
    "tombstone": Tombstone(event_id=bytes(range(16)).hex(), cause="erased"),
    "partition_in": PartitionIn(
        event_id="partition-5-in-3-0",
        ts_ms=1_763_600_000_128,
        partition=5,
        partitions=64,
        epoch=3,
        part=0,
        last=True,
        record=LUGGAGE,
        remembered=((bytes(range(16)), 2**32 - 1),),
    ),
    "partition_out": PartitionOut(
        event_id="partition-6-out-4",
        ts_ms=1_763_600_000_129,
        partition=6,
        partitions=64,
        epoch=4,
    ),
    "mixing": Mixing(event_id="mixing-1", ts_ms=1_763_600_000_130, shard="shard-0", released=2**40),
    "mixed": Mixed(
        event_id="mixed-1",
        ts_ms=1_763_600_000_131,
        shard="shard-1",
        after=7,
        upto=2**40,
        released=5,
        record=LESSONS,
    ),
    "averaged": Averaged(
        event_id="averaged-1", ts_ms=1_763_600_000_132, version=2, record=bytes(range(256))
    ),
    "rebased": Rebased(
        event_id="rebased-1",
        ts_ms=1_763_600_000_133,
        shard="shard-1",
        number=1,
        last=True,
        record=bytes(range(256)),
    ),
}
SINCE = {
    "decision_with_features": 2,
    "feedback_that_stands_for_others": 3,
    "adopt": 2,
    "user_erase": 2,
    "tombstone": 2,
    "partition_in": 2,
    "partition_out": 2,
    "mixing": 3,
    "mixed": 3,
    "averaged": 3,
    "rebased": 3,
}
"""Formats before it cannot say what such an event says."""

TOLD = Lessons(
    ["item-1", "\U0001f431", "item-3"],
    [
        Like(0, 0, 2, 1_763_600_000_123, 1.0, 2, (0, 1), (1_763_500_000_000, 1_763_600_000_000)),
        Like(0, 0, 0, 1_763_600_000_125, 0.2, 3, (1, 2), (1_763_600_000_000, 1_763_600_000_123)),
        Like(0, 1, 1, 1_763_600_000_121, 1.0, 0, (), (), 2.0),
    ],
    [Show(0, 0, 1_763_600_000_124, (0, 2))],
    [Click(0, 0, 2, 1_763_600_000_125, (0, 2), (0.625, 0.375), (2, 70_000))],
    TasteSums(1.5, 7, 0.25, {"genre": (0.5, 2.5)}),
)

_READ_UPTO = {"feedback-0": 7, "feedback-1": 2**40}
POSITIONS = {1: {}, 2: _READ_UPTO, 3: _READ_UPTO}
"""Of the stores of each schema."""
_ERASURE = Erasure(
    receipt="2a-0193f3a1", sequence=9, user_id="user|1:a b", accepted_ms=1_763_600_000_127
)
ERASURES = {1: [], 2: [_ERASURE], 3: [msgspec.structs.replace(_ERASURE, sequence=10)]}


class Part(msgspec.Struct, frozen=True):
    """Owner of one value of every type that a part of a snapshot is made of."""

    counts: dict[int, float]
    names: list[str]
    blob: bytes
    nothing: None
    flags: tuple[bool, bool]
    large: int
    negative: int


PART = Part({1: 0.5, 70_000: -1e300}, ["a", "é"], bytes(range(256)), None, (True, False), 2**63, -1)


def golden(version: int, name: str) -> bytes:
    return (GOLDEN / f"format_{version}" / f"{name}.record").read_bytes()


@pytest.mark.parametrize(
    ("version", "name"),
    [(version, name) for version in FORMATS for name in EVENTS if version >= SINCE.get(name, 1)],
)
def test_events_of_every_format_are_read(version: int, name: str) -> None:
    assert decode_event(golden(version, name)) == EVENTS[name]


@pytest.mark.parametrize("name", EVENTS)
def test_events_are_written_as_the_newest_format(name: str) -> None:
    assert encode_event(EVENTS[name]) == golden(FORMAT, name)


def test_lessons_are_read() -> None:
    # What zlib makes of them may change with its version: only what is read must not.
    assert open_lessons(LESSONS) == TOLD


@pytest.mark.parametrize("version", FORMATS)
def test_parts_of_every_format_are_read(version: int) -> None:
    assert unpack(golden(version, "part"), Part) == PART


def test_parts_are_written_as_the_newest_format() -> None:
    assert pack(PART) == golden(FORMAT, "part")


def test_every_kind_of_event_has_a_file() -> None:
    assert {type(event) for event in EVENTS.values()} == set(Event.__args__)


@pytest.mark.parametrize("version", SCHEMAS)
def test_stores_of_every_schema_are_opened(version: int, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    shutil.copyfile(GOLDEN / f"schema_{version}.sqlite", path)
    store = SqliteStore(path)
    try:
        # Each was first filled with records of the format of its number.
        written = version
        events = [event for name, event in EVENTS.items() if SINCE.get(name, 1) <= written]
        assert store.epoch == 2
        assert list(store.read(after=0)) == list(enumerate(events, start=1))
        assert store.snapshot_sequence == 4
        assert store.load() == {"part": golden(written, "part")}
        assert list(store.user_ids()) == ["user|1:a b"]
        assert unpack(store.load_user("user|1:a b") or b"", str) == "state"
        assert store.positions() == POSITIONS[version]
        assert store.erasures() == ERASURES[version]
        assert store.dead_letters() == []
        repeats = store.append(events, {"feedback-1": 1})
    finally:
        store.close()
    assert _schema(path) == _schema(GOLDEN / f"schema_{SCHEMA}.sqlite")
    assert repeats == [Append(Outcome.DUPLICATE, n) for n in range(1, len(events) + 1)]


def test_new_stores_have_the_newest_schema(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    SqliteStore(path).close()
    assert _schema(path) == _schema(GOLDEN / f"schema_{SCHEMA}.sqlite")


def _schema(path: Path) -> list[tuple[str]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        rows: list[tuple[str]] = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"
        ).fetchall()
        version: tuple[int] = connection.execute("PRAGMA user_version").fetchone()
    finally:
        connection.close()
    return [*rows, (str(version[0]),)]
