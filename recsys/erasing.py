"""Finishes the erasure of people: out of the log, and out of the files.

An erasure is an event. Its fold has taken the person out of the state; as soon as a snapshot
contains it, no replay needs the person's events any more, and the log loses them: each leaves a
tombstone of the same sequence. At last the bytes are wiped. What was begun and not finished when a
process died is known to the store, and done by the next one.

What stays is in what all share: in the weights of the learners, in counts, and in the rings of
sessions and of lessons of the factors, which hold items in an order and nobody's name. It fades
there. A log that is folded anew from its start no longer knows of it: ``recsys quarantine --user``.
"""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from recsys.store.base import Store
from recsys.store.records import Erasure

__all__ = ["complete", "due", "unfinished"]

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 16
"""People whose events are looked for in one pass over the log."""


def due(store: Store) -> list[Erasure]:
    """Return the erasures that can be finished: the snapshot contains them."""
    snapshot = store.snapshot_sequence
    return [one for one in store.erasures() if not one.done_ms and one.sequence <= snapshot]


def unfinished(store: Store, *, upto: float = math.inf) -> bool:
    """Return whether an erasure up to a sequence has something left to do."""
    return any(one.sequence <= upto and not one.done_ms for one in store.erasures())


def complete(store: Store, now_ms: int) -> list[Erasure]:
    """Finish the erasures that are due, the oldest first, not more than some at once; blocks.

    May run beside appends: it lets them in between.

    Returns
    -------
    Those that are finished now, without the names of the people.

    Raises
    ------
    StoreError
        When the store could not do it; it may be tried again.
    """
    waiting = due(store)[:_AT_ONCE]
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
    store.bury([sequence for sequence, _ in found], "erased", erasures=nameless)
    return nameless
