"""Finishes the erasure of people: out of the log, and out of the files.

An erasure is an event. Its fold has taken the person out of the state; as soon as a snapshot
contains it, no replay needs the person's events any more, and the log loses them: each leaves a
tombstone of the same sequence. At last the bytes are wiped. What was begun and not finished when a
process died is known to the store, and done by the next one.

What stays is in what all share: in the weights of the learners, in counts, and in the rings of
sessions and of lessons of the factors, which hold items in an order and nobody's name. It fades
there. A log that is folded anew from its start no longer knows of it:
``recsys quarantine --afresh``.
"""

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from recsys.events import Event
from recsys.moving.luggage import without
from recsys.store.base import Store
from recsys.store.records import Erasure

__all__ = ["Erasures"]

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 16
"""People whose events are looked for in one pass over the log."""


class Erasures:
    """The erasures of one store.

    ``complete`` runs on one thread at a time, beside all else; the others may run on any.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = store.last_sequence if self._unfinished() else 0
        self._done_to = 0

    @property
    def pending(self) -> bool:
        """Whether there are any that ``complete`` has not finished."""
        return self._done_to < self._last

    def begun(self, sequence: int) -> None:
        """Take in that a ``UserErase`` was folded."""
        self._last = sequence

    def find(self, receipt: str) -> Erasure | None:
        """Return how far an erasure is, ``None`` for an unknown receipt; blocks."""
        return next((one for one in self._store.erasures() if one.receipt == receipt), None)

    def complete(self, now_ms: int) -> list[Erasure]:
        """Finish those that the last snapshot contains, the oldest first, some at once; blocks.

        Returns
        -------
        Those that are finished now, without the names of the people.

        Raises
        ------
        StoreError
            When the store could not do it; it may be tried again.
        """
        last = self._last
        finished = _complete(self._store, now_ms)
        if not self._unfinished(last):
            self._done_to = last
        return finished

    def _unfinished(self, upto: float = math.inf) -> bool:
        return any(one.sequence <= upto and not one.done_ms for one in self._store.erasures())


def _due(store: Store) -> list[Erasure]:
    """Return those that can be finished: the snapshot contains them."""
    snapshot = store.snapshot_sequence
    return [one for one in store.erasures() if not one.done_ms and one.sequence <= snapshot]


def _complete(store: Store, now_ms: int) -> list[Erasure]:
    waiting = _due(store)[:_AT_ONCE]
    if not waiting:
        return []
    # Where names are missing, a process died between the two steps.
    people = {one.user_id for one in waiting if one.user_id}
    nameless = any(not one.user_id for one in waiting)
    if people:
        waiting = _bury(store, waiting)
    store.scrub(() if nameless else people)
    finished = [msgspec.structs.replace(one, done_ms=now_ms) for one in waiting]
    store.bury((), "erased", erasures=finished)
    _log.info("%d erasures of people are finished", len(finished))
    return finished


def _without(store: Store, until: Mapping[str, int]) -> dict[int, Event]:
    """Return the arrivals of the people, which brought others along, without them."""
    thinned = dict[int, Event]()
    for sequence, event in store.arrivals(until, upto=max(until.values())):
        gone = {user_id for user_id, last in until.items() if sequence <= last}
        if (other := without(event, gone)) is not None:
            thinned[sequence] = other
    return thinned


def _bury(store: Store, waiting: Sequence[Erasure]) -> list[Erasure]:
    """Replace the people's events; returns the erasures without the names."""
    # Whoever was erased twice: what came up to the second goes with it.
    until = {one.user_id: one.sequence for one in waiting if one.user_id}
    found = [
        (sequence, user_id)
        for sequence, user_id in store.events_of(until, upto=max(until.values()))
        if sequence <= until[user_id]
    ]
    removed = Counter(user_id for _, user_id in found)
    nameless = [
        msgspec.structs.replace(one, user_id="", removed=removed[one.user_id])
        if one.user_id
        else one
        for one in waiting
    ]
    store.bury(
        [sequence for sequence, _ in found],
        "erased",
        others=_without(store, until),
        erasures=nameless,
    )
    return nameless
