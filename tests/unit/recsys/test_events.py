"""Every limit of an event: the boundary is accepted, one step beyond it is refused by name."""

import math
import sys
from collections.abc import Callable, Mapping

import msgspec
import pytest

from recsys.conform import conform
from recsys.errors import InvalidEvent
from recsys.events import (
    FEEDBACK_TYPES,
    MAX_ATTRIBUTES,
    MAX_CONTEXT,
    MAX_FEATURES_BYTES,
    MAX_NUMBER,
    MAX_SLOTS,
    MAX_TS_MS,
    MAX_VALUES,
    Adopt,
    Context,
    Decision,
    Event,
    Feedback,
    ItemRemove,
    ItemUpsert,
    Slot,
    check_attributes,
    check_context,
    digest_of,
    validate,
)
from recsys.tombstones import Tombstone, UserErase

DECISION = Decision(
    event_id="d", user_id="u", ts_ms=0, slots=(Slot("a", 0.5), Slot("b", 1.0)), policy="learner"
)
FEEDBACK = Feedback(event_id="f", user_id="u", ts_ms=0, type="click", item_id="a")
UPSERT = ItemUpsert(event_id="p", ts_ms=0, item_id="a")
REMOVE = ItemRemove(event_id="r", ts_ms=0, item_id="a")
ADOPT = Adopt(
    event_id="b", ts_ms=0, version=1, choices=0, record=b"", digest=digest_of(b""),
    loss=0.0, baseline=0.0,
)  # fmt: skip
KINDS: tuple[Event, ...] = (DECISION, FEEDBACK, UPSERT, REMOVE, ADOPT)
LONG = "é" * 129  # 258 bytes
EMPTY = "must not be empty"
TOO_LONG = "has at most 256 bytes, got 258"
FINITE = "a number must be finite"
LARGE = "a number lies within ±1e+06, got 1e+06"
ABOVE = math.nextafter(MAX_NUMBER, math.inf)


def changed(event: Event, changes: Mapping[str, object]) -> Event:
    return msgspec.structs.replace(event, **changes)


def refusal(event: Event, pointer: str = "") -> tuple[str, str]:
    with pytest.raises(InvalidEvent) as caught:
        validate(event, pointer)
    return caught.value.pointer, caught.value.detail


def context(entries: int) -> Context:
    return {f"key-{number}": float(number) for number in range(entries)}


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        *((event, {"ts_ms": MAX_TS_MS - 1}) for event in KINDS),
        *((event, {"event_id": "é" * 128}) for event in KINDS),
        *((FEEDBACK, {"type": name}) for name in FEEDBACK_TYPES),
        *((FEEDBACK, {"value": value}) for value in (0.0, -0.0, MAX_NUMBER, -MAX_NUMBER, 5e-324)),
        (FEEDBACK, {"decision_id": "d"}),
        (FEEDBACK, {"context": context(MAX_CONTEXT)}),
        (FEEDBACK, {"context": {"é" * 128: "é" * 128, "yes": True, "number": -MAX_NUMBER}}),
        (DECISION, {"context": context(MAX_CONTEXT)}),
        (DECISION, {"slots": ()}),
        *((DECISION, {"threshold": value}) for value in (None, 0.0, sys.float_info.max)),
        (DECISION, {"slots": (Slot("a", 5e-324, -MAX_NUMBER),) * MAX_SLOTS}),
        (DECISION, {"slots": (Slot("a", 1.0, 0.0, b"x" * MAX_FEATURES_BYTES),)}),
        (DECISION, {"policy": "é" * 128}),
        *((DECISION, {"model_sequence": sequence}) for sequence in (0, 2**63 - 1)),
        (UPSERT, {"attributes": {f"{n}": "x" for n in range(MAX_ATTRIBUTES)}}),
        (UPSERT, {"attributes": {"tags": ["x"] * MAX_VALUES, "none": [], "a": True, "b": 0.5}}),
    ],
)
def test_the_boundary_is_accepted(event: Event, changes: Mapping[str, object]) -> None:
    validate(changed(event, changes))


@pytest.mark.parametrize("event", KINDS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"event_id": ""}, "/event_id", EMPTY),
        ({"event_id": LONG}, "/event_id", TOO_LONG),
        ({"ts_ms": -1}, "/timestamp", "must lie between the years 1970 and 9999"),
        ({"ts_ms": MAX_TS_MS}, "/timestamp", "must lie between the years 1970 and 9999"),
    ],
)
def test_what_no_event_may_have(
    event: Event, changes: Mapping[str, object], pointer: str, detail: str
) -> None:
    assert refusal(changed(event, changes)) == (pointer, detail)
    assert refusal(changed(event, changes), "/events/3") == (f"/events/3{pointer}", detail)


def slots(**second: object) -> dict[str, object]:
    """Return a list whose second slot is changed."""
    return {"slots": (Slot("a", 0.5), msgspec.structs.replace(Slot("b", 1.0), **second))}


@pytest.mark.parametrize(
    ("event", "changes", "pointer", "detail"),
    [
        (DECISION, {"user_id": ""}, "/user_id", EMPTY),
        (DECISION, {"context": {"a": math.nan}}, "/context/a", FINITE),
        (DECISION, {"slots": (Slot("a", 1.0),) * 1001}, "/slots", "at most 1000 slots, got 1001"),
        (DECISION, slots(item_id=""), "/slots/1/item_id", EMPTY),
        (DECISION, slots(propensity=0.0), "/slots/1/propensity", "must lie in (0, 1], got 0.0"),
        (DECISION, slots(propensity=-0.5), "/slots/1/propensity", "must lie in (0, 1], got -0.5"),
        (DECISION, slots(propensity=1.5), "/slots/1/propensity", "must lie in (0, 1], got 1.5"),
        (
            DECISION,
            slots(propensity=math.nan),
            "/slots/1/propensity",
            "must lie in (0, 1], got nan",
        ),
        (DECISION, slots(score=math.inf), "/slots/1/score", FINITE),
        (DECISION, slots(score=math.nan), "/slots/1/score", FINITE),
        (DECISION, slots(score=ABOVE), "/slots/1/score", LARGE),
        (
            DECISION,
            slots(features=b"x" * 4097),
            "/slots/1/features",
            "at most 4096 bytes, got 4097",
        ),
        (DECISION, {"policy": ""}, "/policy", EMPTY),
        (DECISION, {"policy": "a\nb"}, "/policy", "must not hold control characters"),
        (DECISION, {"model_sequence": -1}, "/model_sequence", "must lie in 0..2^63 - 1, got -1"),
        (
            DECISION,
            {"model_sequence": 2**63},
            "/model_sequence",
            f"must lie in 0..2^63 - 1, got {2**63}",
        ),
        (DECISION, {"threshold": math.nan}, "/threshold", FINITE),
        (DECISION, {"threshold": -math.inf}, "/threshold", FINITE),
        (FEEDBACK, {"user_id": "a\nb"}, "/user_id", "must not hold control characters"),
        (FEEDBACK, {"item_id": LONG}, "/item_id", TOO_LONG),
        (FEEDBACK, {"decision_id": ""}, "/decision_id", EMPTY),
        (FEEDBACK, {"value": math.nan}, "/value", FINITE),
        (FEEDBACK, {"value": -math.inf}, "/value", FINITE),
        (FEEDBACK, {"value": ABOVE}, "/value", LARGE),
        (FEEDBACK, {"value": -ABOVE}, "/value", LARGE.replace("got 1", "got -1")),
        (FEEDBACK, {"context": context(33)}, "/context", "at most 32 entries, got 33"),
        (FEEDBACK, {"context": {"": 1.0}}, "/context/", EMPTY),
        (FEEDBACK, {"context": {"a/b~c": ""}}, "/context/a~1b~0c", EMPTY),
        (FEEDBACK, {"context": {"a": LONG}}, "/context/a", TOO_LONG),
        (FEEDBACK, {"context": {"a": math.inf}}, "/context/a", FINITE),
        *(
            (FEEDBACK, {"survival": p}, "/survival", f"must lie in [0.01, 1], got {p}")
            for p in (0.0, -0.5, 0.009, 1.1, math.nan, math.inf)
        ),
        (UPSERT, {"item_id": ""}, "/item_id", EMPTY),
        (
            UPSERT,
            {"attributes": {f"{n}": 1.0 for n in range(65)}},
            "/attributes",
            "at most 64 attributes, got 65",
        ),
        (
            UPSERT,
            {"attributes": {"tags": ["x"] * 33}},
            "/attributes/tags",
            "at most 32 values, got 33",
        ),
        (UPSERT, {"attributes": {"tags": ["x", ""]}}, "/attributes/tags/1", EMPTY),
        (UPSERT, {"attributes": {LONG: 1.0}}, f"/attributes/{LONG}", TOO_LONG),
        (UPSERT, {"attributes": {"a": math.nan}}, "/attributes/a", FINITE),
        (UPSERT, {"attributes": {"a": ABOVE}}, "/attributes/a", LARGE),
        (UPSERT, {"attributes": {"a": ""}}, "/attributes/a", EMPTY),
        (
            REMOVE,
            {"item_id": "\ud800"},
            "/item_id",
            "must be valid UTF-8, got a lone surrogate",
        ),
    ],
)
def test_one_step_beyond_is_refused(
    event: Event, changes: Mapping[str, object], pointer: str, detail: str
) -> None:
    assert refusal(changed(event, changes), "/7") == (f"/7{pointer}", detail)


def test_an_unknown_type_is_told_the_known_ones() -> None:
    pointer, detail = refusal(changed(FEEDBACK, {"type": "Click"}))
    assert pointer == "/type"
    assert detail == f"must be one of {', '.join(FEEDBACK_TYPES)}; got 'Click'"


@pytest.mark.parametrize("check", [check_context, check_attributes])
def test_checks_work_for_a_request_too(check: Callable[[Context, str], None]) -> None:
    check({}, "/somewhere")
    with pytest.raises(InvalidEvent) as caught:
        check({"a": math.nan}, "/somewhere")
    assert caught.value.pointer == "/somewhere/a"


def test_the_message_names_the_place() -> None:
    assert str(InvalidEvent("/events/3/value", "a number must be finite")) == (
        "/events/3/value: a number must be finite"
    )
    assert str(InvalidEvent("", "no event")) == "/: no event"


@pytest.mark.parametrize(
    "document",
    [
        '{"kind": "feedback", "event_id": "f", "user_id": "u", "ts_ms": 0, "type": "click"}',
        '{"kind": "item_remove", "event_id": "r", "ts_ms": 0, "item_id": "a", "more": 1}',
        '{"kind": "item_remove", "event_id": "r", "ts_ms": 0.5, "item_id": "a"}',
        '{"kind": "item_remove", "event_id": "r", "ts_ms": 0, "item_id": 7}',
        '{"kind": "item_remove", "event_id": "r", "ts_ms": "0", "item_id": "a"}',
        '{"kind": "unheard_of", "event_id": "r", "ts_ms": 0, "item_id": "a"}',
        '{"event_id": "r", "ts_ms": 0, "item_id": "a"}',
        '{"kind": "item_upsert", "event_id": "p", "ts_ms": 0, "item_id": "a",'
        ' "attributes": {"a": null}}',
    ],
)
def test_the_schema_takes_nothing_else(document: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(document, type=Event)


def test_integers_become_the_floats_they_equal() -> None:
    document = '{"kind": "feedback", "event_id": "f", "user_id": "u", "ts_ms": 0, "type": "rating",'
    document += ' "item_id": "a", "value": 4, "context": {"a": 3, "b": true}}'
    event = msgspec.json.decode(document, type=Feedback)
    assert repr(event.value) == "4.0"
    assert repr(event.context) == "{'a': 3.0, 'b': True}"


@pytest.mark.parametrize("event", KINDS, ids=lambda event: type(event).__name__)
def test_conforming_changes_nothing_that_conforms(event: Event) -> None:
    assert conform(event) == event
    assert conform(conform(event)) is not event


def test_conforming_makes_whole_numbers_floats_and_copies_what_is_mutable() -> None:
    tags = ["a"]
    event = conform(changed(UPSERT, {"attributes": {"year": 1994, "tags": tags, "new": True}}))
    assert isinstance(event, ItemUpsert)
    tags.append("b")
    assert repr(event.attributes) == "{'year': 1994.0, 'tags': ['a'], 'new': True}"


@pytest.mark.parametrize(
    "changes",
    [
        {"ts_ms": 1.5},
        {"ts_ms": 1.0},
        {"ts_ms": None},
        {"ts_ms": 2**64},
        {"item_id": 7},
        {"item_id": "\ud800"},
        {"attributes": {"a": None}},
        {"attributes": {"a": [1.0]}},
        {"attributes": {7: "a"}},
        {"attributes": {"a": ...}},
    ],
    ids=repr,
)
def test_values_of_another_type_do_not_conform(changes: Mapping[str, object]) -> None:
    with pytest.raises(InvalidEvent) as caught:
        conform(changed(UPSERT, changes), "/3")
    assert caught.value.pointer == "/3"


@pytest.mark.parametrize("event", KINDS, ids=lambda event: type(event).__name__)
def test_events_are_frozen(event: Event) -> None:
    for name in event.__struct_fields__:
        with pytest.raises(AttributeError, match="immutable"):
            setattr(event, name, None)


def test_tombstones_are_made_by_stores_alone() -> None:
    stone = Tombstone(event_id="00" * 16, cause="erased")
    with pytest.raises(InvalidEvent, match="only a store makes tombstones"):
        validate(stone, "/events/0")


def test_an_erasure_names_somebody() -> None:
    with pytest.raises(InvalidEvent, match="/user_id: must not be empty"):
        validate(UserErase(event_id="e", user_id="", ts_ms=0))
