"""What every store must keep to when events leave its log; ``recsys.checks.store`` runs it."""

from collections.abc import Callable

import msgspec

from recsys.codec import encode_event, pack
from recsys.events import Event, Feedback, Tombstone, UserErase
from recsys.ids import dedupe_key
from recsys.store.base import Append, Outcome, Store
from recsys.store.records import LETTERS, DeadLetter, Erasure, letter_of

__all__ = ["REMOVAL"]

Open = Callable[[], Store]


def _expect(what: str, expected: object, actual: object) -> None:
    if expected != actual:
        message = f"{what}: expected {expected!r}, got {actual!r}"
        raise AssertionError(message)


def _click(number: int, user: str) -> Feedback:
    return Feedback(
        event_id=f"event-{number}", user_id=user, ts_ms=number, type="click", item_id="item"
    )


def _log(n: int = 6) -> list[Event]:
    """Return clicks of ann, bob and cat by turns."""
    return [_click(number, ("cat", "ann", "bob")[number % 3]) for number in range(1, n + 1)]


def _stone(number: int) -> Tombstone:
    return Tombstone(event_id=dedupe_key(f"event-{number}").hex(), cause="erased")


def _letters(*numbers: int) -> list[DeadLetter]:
    return [letter_of(number, _log(number)[-1], "it failed") for number in numbers]


def _found(open_store: Open) -> None:
    store = open_store()
    store.append(_log(5000))
    wanted = [(n, "ann") for n in range(1, 4000, 3)]
    _expect("events of ann", wanted, list(store.events_of({"ann"}, upto=3999)))
    both = list(store.events_of({"ann", "cat"}, upto=4))
    _expect("events of two", [(1, "ann"), (3, "cat"), (4, "ann")], both)
    _expect("events of a part of a name", [], list(store.events_of({"an"}, upto=5000)))
    _expect("events of nobody", [], list(store.events_of((), upto=5000)))


def _buried(open_store: Open) -> None:
    store = open_store()
    events = _log()
    store.append(events)
    store.bury([1, 4], "erased")
    for _ in range(2):
        expected = [*enumerate(events, start=1)]
        expected[0], expected[3] = (1, _stone(1)), (4, _stone(4))
        _expect("log", expected, list(store.read(after=0)))
        _expect("found", (4, _stone(4)), store.find("event-4"))
        repeats = store.append([events[0], _click(4, "dan"), events[1]])
        outcome = [Append(Outcome.DUPLICATE, sequence) for sequence in (1, 4, 2)]
        _expect("repeats", outcome, repeats)
        store = open_store()
    store.bury([1, 99], "quarantined")
    causes = [event.cause for _, event in store.read(after=0) if isinstance(event, Tombstone)]
    _expect("causes", ["quarantined", "erased"], causes)


def _erasures(open_store: Open) -> None:
    store = open_store()
    store.append(_log(3))
    erase = UserErase(event_id="receipt", user_id="ann", ts_ms=77)
    store.append([erase, erase])
    begun = Erasure(receipt="receipt", sequence=4, user_id="ann", accepted_ms=77)
    store = open_store()
    _expect("begun", [begun], store.erasures())
    found = list(store.events_of({"ann"}, upto=4))
    _expect("events, the erasure's own among them", [(1, "ann"), (4, "ann")], found)
    done = msgspec.structs.replace(begun, user_id="", removed=2, done_ms=99)
    store.bury([1, 4], "erased", erasures=[done])
    store.scrub({"ann"})
    store.scrub(())
    for _ in range(2):
        _expect("done", [done], store.erasures())
        _expect("the others", [(2, "bob"), (3, "cat")], _owners(store))
        store = open_store()


def _owners(store: Store) -> list[tuple[int, str]]:
    return [(n, event.user_id) for n, event in store.read(after=0) if isinstance(event, Feedback)]


def _dead_letters(open_store: Open) -> None:
    store = open_store()
    store.append(_log(5))
    store.commit_snapshot(2, {}, {}, letters=_letters(2, 1))
    store.commit_snapshot(5, {}, {}, letters=_letters(2, 3, 4, 5))
    for _ in range(2):
        _expect("letters", _letters(1, 2, 3, 4, 5), store.dead_letters())
        store = open_store()
    store.bury([3], "poison", letters=_letters(3))
    _expect("letters", _letters(1, 2, 3, 4, 5), store.dead_letters())
    store.append([UserErase(event_id="receipt", user_id="bob", ts_ms=1)])
    store.bury([], "erased", erasures=[msgspec.structs.replace(store.erasures()[0], user_id="")])
    _expect("letters without bob's", _letters(1, 3, 4), store.dead_letters())
    many = [msgspec.structs.replace(_letters(1)[0], sequence=n) for n in range(10, LETTERS + 20)]
    store.commit_snapshot(5, {}, {}, letters=many)
    _expect("the newest", many[-LETTERS:], store.dead_letters())


def _gone(open_store: Open) -> None:
    store = open_store()
    store.append(_log())
    store.commit_snapshot(1, {"part": pack(1)}, {"ann": pack(1), "bob": pack(1)})
    store.commit_snapshot(2, {"part": pack(2)}, {"bob": pack(2)}, gone=["ann", "bob", "eve"])
    for _ in range(2):
        users = {user_id: store.load_user(user_id) for user_id in store.user_ids()}
        _expect("users", {"bob": pack(2)}, users)
        store = open_store()
    store.bury([2], "quarantined", afresh=True)
    for _ in range(2):
        _expect("parts", {}, store.load())
        _expect("users", [], list(store.user_ids()))
        _expect("snapshot sequence", 0, store.snapshot_sequence)
        store = open_store()
    _expect("an event", encode_event(_log()[2]), encode_event(dict(store.read(after=0))[3]))


REMOVAL: dict[str, Callable[[Open], None]] = {
    "a person's events are found": _found,
    "buried events leave tombstones and stay remembered": _buried,
    "an erasure begins with its event": _erasures,
    "dead letters are kept, the newest of them": _dead_letters,
    "who is gone leaves the snapshot": _gone,
}
"""Checks by what is expected."""
