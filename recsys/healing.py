"""Finds the events that make a state not finite, and takes them out of the log.

Events are checked at the edge, so that only a fault of a learner can do that. The state is then a
function of the log all the same: folded again from the last snapshot, which was finite or it would
not have been written, it ceases to be at the same event. That event leaves a tombstone and becomes
a dead letter, and the fold begins anew, until it ends well.
"""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from recsys.errors import NonFinite, StoreError
from recsys.events import Event, UserErase
from recsys.fold import fold
from recsys.state import State
from recsys.store.base import Store
from recsys.store.records import letter_of

__all__ = ["quarantine_poison"]

_log = logging.getLogger(__name__)

_MOST: Final = 8
"""Events that are taken out at a time; when more are needed, it is not the events."""
_STRIDES: Final = (256, 16, 1)
"""Events between two looks at the state, ever closer to the one that is looked for."""


class _Poison(NamedTuple):
    sequence: int
    event: Event
    cause: str


def quarantine_poison(store: Store, fresh: Callable[[], State]) -> int:
    """Take the events out of the log after which the state is not finite.

    Parameters
    ----------
    fresh
        Returns a state as of the last snapshot, a new one at each call.

    Returns
    -------
    How many they were.

    Raises
    ------
    StoreError
        When the last snapshot is not finite itself, when there are too many such events or one of
        them erases a person, or when the store cannot write.
    """
    removed = 0
    while (found := _poison(store, fresh)) is not None:
        if isinstance(found.event, UserErase):
            # Without it the person would be back.
            detail = (
                f"the model is not finite ({found.cause}) after event {found.sequence}, which "
                "erases a person and must stay; take events before it out with recsys quarantine"
            )
            raise StoreError(detail)
        if removed == _MOST:
            detail = (
                f"{_MOST} events were taken out and the model is still not finite ({found.cause}) "
                f"after event {found.sequence}; change the settings of the learners, or take a "
                "range of events out with recsys quarantine"
            )
            raise StoreError(detail)
        letter = letter_of(found.sequence, found.event, f"made the model not finite: {found.cause}")
        store.bury([found.sequence], "poison", letters=[letter])
        removed += 1
        _log.error(
            "event %d of kind %s made the model not finite (%s); it is a dead letter now",
            found.sequence,
            letter.kind,
            found.cause,
        )
    return removed


def _poison(store: Store, fresh: Callable[[], State]) -> _Poison | None:
    """Return the first event after which the state is not finite, if there is one."""
    good = store.snapshot_sequence
    found: _Poison | None = None
    for stride in _STRIDES:
        state = fresh()
        if cause := _unsound(state):
            detail = (
                f"the last snapshot is not finite itself ({cause}); have the state folded anew "
                "from the log with recsys quarantine"
            )
            raise StoreError(detail)
        found, good = _first(store, state, good, stride)
        if found is None:
            return None
    return found


def _first(store: Store, state: State, good: int, stride: int) -> tuple[_Poison | None, int]:
    """Fold on, looking every so often.

    Parameters
    ----------
    good
        Up to here the state is known to be finite.

    Returns
    -------
    The event at which it was seen not to be, and up to which it was seen to be.
    """
    last: tuple[int, Event] | None = None
    for sequence, event in store.read(after=store.snapshot_sequence):
        _fold(state, sequence, event)
        last = (sequence, event)
        if sequence <= good or (sequence - good) % stride:
            continue
        if cause := _unsound(state):
            return _Poison(sequence, event, cause), good
        good = sequence
    if last is not None and last[0] > good and (cause := _unsound(state)):
        return _Poison(*last, cause), good
    return None, good


def _fold(state: State, sequence: int, event: Event) -> None:
    try:
        fold(state, sequence, event)
    except StoreError:
        raise
    except Exception:
        # The engine counted it and went on, and will again.
        _log.debug("event %d failed, as it did when it came", sequence, exc_info=True)
        state.counters.failed += 1


def _unsound(state: State) -> str:
    """Return what is not finite, empty when all is."""
    try:
        state.parts()
    except NonFinite as error:
        return str(error)
    if all(user.is_finite() for user in state.users.dirty()):
        return ""
    return "what was learned of a person"
