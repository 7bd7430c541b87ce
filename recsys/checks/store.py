"""What every store must keep to, as named checks that a test runs one by one.

::

    @pytest.mark.parametrize("check", list(store_checks()), ids=lambda check: check.name)
    def test_conforms(check, tmp_path):
        check.run(lambda: MyStore(tmp_path / "state"))
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from recsys.checks.store_moves import MOVES
from recsys.checks.store_removal import REMOVAL
from recsys.codec import pack
from recsys.errors import StoreError
from recsys.events import (
    Adopt,
    Decision,
    Event,
    Feedback,
    ItemRemove,
    ItemUpsert,
    Slot,
    digest_of,
)
from recsys.store.base import Append, Outcome, Store

__all__ = ["OpenStore", "StoreCheck", "store_checks"]

OpenStore = Callable[[], Store]
"""Opens the same durable place at each call, empty at the first one.

The store that it returned last may have been closed, or may have been left open as a crash leaves
it; what a crash does not undo must be there again.
"""


class StoreCheck(NamedTuple):
    """One check.

    Attributes
    ----------
    name
        What is expected, in words.
    run
        Raises ``AssertionError`` where the store breaks it; what the store itself raises passes
        through. Every run needs a place of its own.
    """

    name: str
    run: Callable[[OpenStore], None]


def store_checks() -> Iterator[StoreCheck]:
    """Yield every check, in a fixed order."""
    yield StoreCheck("a new store is empty", _empty)
    yield StoreCheck("sequences start at 1 and have no gaps", _sequences)
    yield StoreCheck("every kind of event is read back as it was", _kinds)
    yield StoreCheck("an empty append does nothing", _empty_append)
    yield StoreCheck("reading starts after a sequence", _read_after)
    yield StoreCheck("reading ends where the log ended", _read_ends)
    yield StoreCheck("an id is accepted once", _duplicates)
    yield StoreCheck("repeats inside a batch are found", _repeats_in_batch)
    yield StoreCheck("another time is no other content", _time_is_no_content)
    yield StoreCheck("another order of the context is no other content", _order_is_no_content)
    yield StoreCheck("a conflict keeps the first", _conflicts)
    yield StoreCheck("events are found by id", _find)
    yield StoreCheck("appended is durable", _durable)
    yield StoreCheck("repeats are found after a reopening", _duplicates_after_reopening)
    yield StoreCheck("a snapshot replaces parts and keeps unchanged users", _snapshot)
    yield StoreCheck("a snapshot is durable, and the log after it is read", _snapshot_durable)
    yield StoreCheck("a snapshot must fit the log", _snapshot_fits)
    yield StoreCheck("a refused snapshot changes nothing", _refused_snapshot)
    yield StoreCheck("users are listed in order", _users_sorted)
    yield StoreCheck("what was handed out does not change", _answers_are_copies)
    yield StoreCheck("positions are durable with their events", _positions)
    for name, check in REMOVAL.items():
        yield StoreCheck(name, check)
    for name, check in MOVES.items():
        yield StoreCheck(name, check)
    yield StoreCheck("closing twice is fine, using it afterwards is not", _close)


def _expect(what: str, expected: object, actual: object) -> None:
    if expected != actual:
        message = f"{what}: expected {expected!r}, got {actual!r}"
        raise AssertionError(message)


def _refused(what: str, call: Callable[[], object]) -> None:
    try:
        answer = call()
    except StoreError:
        return
    message = f"{what}: expected a StoreError, got {answer!r}"
    raise AssertionError(message)


def _click(number: int, *, item: str = "item", ts_ms: int = 1000) -> Feedback:
    return Feedback(
        event_id=f"event-{number}", user_id="user", ts_ms=ts_ms, type="click", item_id=item
    )


def _clicks(*numbers: int) -> list[Event]:
    return [_click(number) for number in numbers]


def _accepted(*sequences: int) -> list[Append]:
    return [Append(Outcome.ACCEPTED, sequence) for sequence in sequences]


def _log(store: Store, *, after: int = 0) -> list[tuple[int, Event]]:
    return list(store.read(after=after))


def _numbered(events: Sequence[Event]) -> list[tuple[int, Event]]:
    return list(enumerate(events, start=1))


def _empty(open_store: OpenStore) -> None:
    for _ in range(2):
        store = open_store()
        _expect("last sequence", 0, store.last_sequence)
        _expect("snapshot sequence", 0, store.snapshot_sequence)
        _expect("log", [], _log(store))
        _expect("parts", {}, store.load())
        _expect("users", [], list(store.user_ids()))
        _expect("a stranger", None, store.load_user("user"))
        _expect("an unknown id", None, store.find("event-1"))


def _sequences(open_store: OpenStore) -> None:
    store = open_store()
    _expect("first batch", _accepted(1, 2, 3), store.append(_clicks(1, 2, 3)))
    _expect("second batch", _accepted(4, 5), store.append(_clicks(4, 5)))
    _expect("last sequence", 5, store.last_sequence)
    _expect("log", _numbered(_clicks(1, 2, 3, 4, 5)), _log(store))
    many = [_click(number) for number in range(6, 3000)]
    _expect("a large batch", _accepted(*range(6, 3000)), store.append(many))
    _expect("log", _numbered([*_clicks(1, 2, 3, 4, 5), *many]), _log(store))


def _kinds(open_store: OpenStore) -> None:
    events: list[Event] = [
        Decision(
            event_id="décision ☂",
            user_id="\u202euser",
            ts_ms=1,
            slots=(Slot("a", 0.25, 1.5, b"\x00\xff"), Slot("b", 1.0)),
            policy="learner",
            context={"device": "phone", "hour": 7.5, "new": True},
            model_sequence=3,
            threshold=0.125,
        ),
        Feedback(event_id="f", user_id="u", ts_ms=2, type="dwell", item_id="a", value=-0.5),
        ItemUpsert(event_id="p", ts_ms=3, item_id="a", attributes={"tags": ["x", "y"], "n": 1.0}),
        ItemRemove(event_id="r", ts_ms=4, item_id="a"),
        Adopt(
            event_id="b",
            ts_ms=4,
            version=1,
            choices=9,
            record=bytes(range(256)),
            digest=digest_of(bytes(range(256))),
            loss=2.5,
            baseline=2.75,
        ),
    ]
    store = open_store()
    _expect("outcomes", _accepted(1, 2, 3, 4, 5), store.append(events))
    _expect("log", _numbered(events), _log(store))
    for sequence, event in _numbered(events):
        _expect("found", (sequence, event), store.find(event.event_id))


def _empty_append(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1))
    _expect("outcomes", [], store.append([]))
    _expect("last sequence", 1, store.last_sequence)


def _positions(open_store: OpenStore) -> None:
    store = open_store()
    _expect("positions of a new store", {}, store.positions())
    store.append(_clicks(1), {"clicks-0": 7, "clicks-1": 2})
    _expect("no events", [], store.append([], {"clicks-1": 3}))
    store.append(_clicks(2))
    store = open_store()
    _expect("positions", {"clicks-0": 7, "clicks-1": 3}, store.positions())
    store.positions()["clicks-0"] = 0
    _expect("positions", {"clicks-0": 7, "clicks-1": 3}, store.positions())
    _expect("last sequence", 2, store.last_sequence)


def _read_after(open_store: OpenStore) -> None:
    store = open_store()
    events = [_click(number) for number in range(1, 1201)]
    store.append(events)
    for after in (0, 1, 499, 500, 501, 1199, 1200, 5000):
        _expect(f"log after {after}", _numbered(events)[after:], _log(store, after=after))


def _read_ends(open_store: OpenStore) -> None:
    store = open_store()
    events = [_click(number) for number in range(1, 1201)]
    store.append(events)
    reading = store.read(after=0)
    _expect("first", (1, events[0]), next(reading))
    store.append(_clicks(1201))
    _expect("rest", _numbered(events)[1:], list(reading))


def _duplicates(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1, 2))
    expected = [Append(Outcome.DUPLICATE, 2), *_accepted(3), Append(Outcome.DUPLICATE, 1)]
    _expect("outcomes", expected, store.append(_clicks(2, 3, 1)))
    _expect("log", _numbered(_clicks(1, 2, 3)), _log(store))


def _repeats_in_batch(open_store: OpenStore) -> None:
    store = open_store()
    batch = [_click(1), _click(2), _click(1), _click(2, item="other"), _click(3)]
    expected = [
        *_accepted(1, 2),
        Append(Outcome.DUPLICATE, 1),
        Append(Outcome.CONFLICT, 2),
        *_accepted(3),
    ]
    _expect("outcomes", expected, store.append(batch))
    _expect("log", _numbered(_clicks(1, 2, 3)), _log(store))


def _time_is_no_content(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1))
    outcome = store.append([_click(1, ts_ms=2000)])
    _expect("outcome", [Append(Outcome.DUPLICATE, 1)], outcome)
    _expect("log", _numbered(_clicks(1)), _log(store))


def _order_is_no_content(open_store: OpenStore) -> None:
    store = open_store()
    event = _click(1)
    store.append([msgspec.structs.replace(event, context={"a": 1.0, "b": "x"})])
    again = msgspec.structs.replace(event, context={"b": "x", "a": 1.0})
    _expect("outcome", [Append(Outcome.DUPLICATE, 1)], store.append([again]))


def _conflicts(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1))
    upsert = ItemUpsert(event_id="event-1", ts_ms=1000, item_id="item")
    for other in (_click(1, item="other"), upsert):
        _expect("outcome", [Append(Outcome.CONFLICT, 1)], store.append([other]))
    _expect("the first", (1, _click(1)), store.find("event-1"))
    _expect("log", _numbered(_clicks(1)), _log(store))
    _expect("the first again", [Append(Outcome.DUPLICATE, 1)], store.append(_clicks(1)))


def _find(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1, 2, 3))
    _expect("found", (2, _click(2)), store.find("event-2"))
    _expect("a part of an id", None, store.find("event"))
    _expect("an unknown id", None, store.find("event-4"))


def _durable(open_store: OpenStore) -> None:
    events = _clicks(1, 2, 3, 4)
    open_store().append(events[:2])
    store = open_store()
    _expect("last sequence", 2, store.last_sequence)
    _expect("outcomes", _accepted(3, 4), store.append(events[2:]))
    store.close()
    store = open_store()
    _expect("log", _numbered(events), _log(store))
    _expect("found", (3, _click(3)), store.find("event-3"))


def _duplicates_after_reopening(open_store: OpenStore) -> None:
    open_store().append(_clicks(1, 2))
    store = open_store()
    batch = [_click(2), _click(1, item="other"), _click(3)]
    expected = [Append(Outcome.DUPLICATE, 2), Append(Outcome.CONFLICT, 1), *_accepted(3)]
    _expect("outcomes", expected, store.append(batch))
    _expect("log", _numbered(_clicks(1, 2, 3)), _log(store))


def _snapshot(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1, 2, 3))
    parts = {"model": pack(b"\x00" * 5000), "counts": pack({"a": 1})}
    store.commit_snapshot(2, parts, {"ann": pack(1), "bob": pack(1)})
    _expect("parts", parts, store.load())
    _expect("snapshot sequence", 2, store.snapshot_sequence)
    store.commit_snapshot(3, {"counts": pack({"a": 2})}, {"bob": pack(2), "cat": pack(2)})
    _expect("parts", {"counts": pack({"a": 2})}, store.load())
    _expect("snapshot sequence", 3, store.snapshot_sequence)
    users = {user_id: store.load_user(user_id) for user_id in store.user_ids()}
    _expect("users", {"ann": pack(1), "bob": pack(2), "cat": pack(2)}, users)
    store.commit_snapshot(3, {}, {})
    _expect("parts of an empty snapshot", {}, store.load())
    _expect("users", ["ann", "bob", "cat"], list(store.user_ids()))


def _snapshot_durable(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1, 2, 3))
    store.commit_snapshot(2, {"model": pack("two")}, {"ann": pack("two")})
    store = open_store()
    _expect("snapshot sequence", 2, store.snapshot_sequence)
    _expect("parts", {"model": pack("two")}, store.load())
    _expect("user", pack("two"), store.load_user("ann"))
    _expect("log", [(3, _click(3))], _log(store, after=2))
    _expect("outcome", [Append(Outcome.DUPLICATE, 1)], store.append(_clicks(1)))


def _snapshot_fits(open_store: OpenStore) -> None:
    store = open_store()
    _refused("a snapshot of the future", lambda: store.commit_snapshot(1, {}, {}))
    store.append(_clicks(1, 2))
    store.commit_snapshot(2, {}, {})
    _refused("an older snapshot", lambda: store.commit_snapshot(1, {}, {}))
    _refused("a snapshot of the future", lambda: store.commit_snapshot(3, {}, {}))


def _refused_snapshot(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1))
    store.commit_snapshot(1, {"model": pack(1)}, {"ann": pack(1)})
    _refused(
        "a snapshot of the future",
        lambda: store.commit_snapshot(2, {"model": pack(2)}, {"ann": pack(2)}),
    )
    for _ in range(2):
        _expect("parts", {"model": pack(1)}, store.load())
        _expect("user", pack(1), store.load_user("ann"))
        _expect("snapshot sequence", 1, store.snapshot_sequence)
        store = open_store()
    _expect("next", _accepted(2), store.append(_clicks(2)))


def _users_sorted(open_store: OpenStore) -> None:
    store = open_store()
    ids = ["B", "a", "ä", "\U0001f431", "\ufb01", "a b", "A", *(f"{n:04}" for n in range(1500))]
    store.commit_snapshot(0, {}, {user_id: pack(user_id) for user_id in reversed(ids)})
    _expect("users", sorted(ids), list(store.user_ids()))
    store = open_store()
    _expect("users after reopening", sorted(ids), list(store.user_ids()))
    _expect("how many they are", len(ids), store.n_users)
    rows, page = list[tuple[str, bytes]](), store.users_after("", 7)
    while page:
        rows += page
        page = store.users_after(page[-1][0], 700)
    _expect("their records", [(user_id, pack(user_id)) for user_id in sorted(ids)], rows)


def _answers_are_copies(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1))
    parts = {"model": pack(1)}
    store.commit_snapshot(1, parts, {})
    store.load().clear()
    parts["other"] = pack(2)
    _expect("parts", {"model": pack(1)}, store.load())
    for _, event in (*store.read(after=0), store.find("event-1") or (0, _click(2))):
        if isinstance(event, Feedback):
            event.context["changed"] = True
    _expect("log", _numbered(_clicks(1)), _log(store))


def _close(open_store: OpenStore) -> None:
    store = open_store()
    store.append(_clicks(1))
    store.close()
    store.close()
    _refused("append", lambda: store.append(_clicks(2)))
    _refused("commit_snapshot", lambda: store.commit_snapshot(1, {}, {}))
    _refused("find", lambda: store.find("event-1"))
    _refused("read", lambda: _log(store))
    _expect("last sequence", 1, open_store().last_sequence)
