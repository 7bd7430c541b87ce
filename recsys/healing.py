"""Finds the events that break a state, and takes them out of the log.

Events are checked at the edge, so that only a fault of a learner can do that: what it learned is
not finite, or it raised and left the state half changed, so that all that came later failed with
it. The state is then a function of the log all the same: folded again from the last snapshot, it
breaks at the same event. That event leaves a tombstone and becomes a dead letter, and the fold
begins anew, until it ends well. What had failed only because of it is learned by that.
"""

import logging
from collections.abc import Collection
from typing import Final, NamedTuple

from recsys.errors import InvalidSettings, NonFinite, RecsysError, StoreError
from recsys.events import Event, PartitionIn, PartitionOut, Tombstone, UserErase
from recsys.fold import fold
from recsys.settings import EngineSettings
from recsys.state import State
from recsys.store.base import Store
from recsys.store.records import DeadLetter, letter_of

__all__ = ["check_start", "quarantine_failing", "quarantine_poison"]

_log = logging.getLogger(__name__)

_MOST: Final = 8
"""Events that are taken out at a time; when more are needed, it is not the events."""
_STRIDES: Final = (256, 16, 1)
"""Events between two looks at the state, ever closer to the one that is looked for."""
_STAYING: Final = (UserErase, PartitionIn, PartitionOut)
"""Events that say who belongs here: without them people would be back, or lost."""
_NOTHING: Final = Tombstone(event_id="", cause="poison")
"""What is folded in the place of an event that is to go."""


class _Poison(NamedTuple):
    sequence: int
    event: Event
    cause: str


def check_start(store: Store, reason: str) -> None:
    """Refuse unless the log reaches back to its start.

    Parameters
    ----------
    reason
        Why the whole log must be folded.

    Raises
    ------
    InvalidSettings
        When it does not.
    """
    first = next(store.read(after=0), None)
    if first is None or first[0] != 1:
        message = (
            f"{reason}; the log no longer reaches back to its start, so that the state cannot "
            "be rebuilt: restore the former settings, key and library versions"
        )
        raise InvalidSettings(message)


def quarantine_failing(store: Store, settings: EngineSettings, key: bytes) -> int:
    """Take the events out of the log that raise while they are learned.

    Those that are refused on purpose stay, for that changes nothing, and so do those that say who
    belongs here: without them people would be back, or lost.

    Returns
    -------
    How many they were: none when what failed does not fail again.

    Raises
    ------
    StoreError
        When there are too many of them, so that it is not the events, or when the store cannot
        read or write; then none was taken out.
    """
    letters = dict[int, DeadLetter]()
    while (letter := _failing(store, _as_of_snapshot(store, settings, key), letters)) is not None:
        if len(letters) == _MOST:
            detail = (
                f"without {_MOST} events that fail, event {letter.sequence} of kind {letter.kind} "
                f"fails ({letter.cause}), and all of them on the last good snapshot: it is not the "
                "events; none was taken out"
            )
            raise StoreError(detail)
        letters[letter.sequence] = letter
    if letters:
        store.bury([*letters], "poison", letters=[*letters.values()])
    for letter in letters.values():
        _log.error(
            "event %d of kind %s was taken out: %s", letter.sequence, letter.kind, letter.cause
        )
    return len(letters)


def _failing(store: Store, state: State, without: Collection[int]) -> DeadLetter | None:
    """Return the letter of the first event that fails, if there is one.

    Parameters
    ----------
    state
        As of the last snapshot.
    without
        Sequences that are taken for gone.
    """
    for sequence, event in store.read(after=store.snapshot_sequence):
        given = _NOTHING if sequence in without else event
        error = _fold(state, sequence, given)
        stays = isinstance(event, _STAYING)
        if error is not None and not stays and not isinstance(error, RecsysError):
            return letter_of(sequence, event, f"failed: {type(error).__name__}: {error}")
    return None


def _as_of_snapshot(store: Store, settings: EngineSettings, key: bytes) -> State:
    """Return a new state as of the last snapshot, in which nothing of an engine's is seen."""
    state = State(settings, store.load_user, key)
    if parts := store.load():
        state.restore(parts)
    return state


def quarantine_poison(store: Store, settings: EngineSettings, key: bytes) -> int:
    """Take the events out of the log after which the state is not finite.

    Returns
    -------
    How many they were.

    Raises
    ------
    StoreError
        When the last snapshot is not finite itself, when there are too many such events or one of
        them says who belongs here, or when the store cannot write.
    """
    removed = 0
    while (found := _poison(store, settings, key)) is not None:
        if isinstance(found.event, _STAYING):
            detail = (
                f"the model is not finite ({found.cause}) after event {found.sequence}, which says "
                "who belongs here and must stay; take events before it out with recsys quarantine"
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


def _poison(store: Store, settings: EngineSettings, key: bytes) -> _Poison | None:
    """Return the first event after which the state is not finite, if there is one."""
    good = store.snapshot_sequence
    found: _Poison | None = None
    for stride in _STRIDES:
        state = _as_of_snapshot(store, settings, key)
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


def _fold(state: State, sequence: int, event: Event) -> Exception | None:
    """Fold as an engine does, and return what was raised."""
    try:
        fold(state, sequence, event)
    except StoreError:
        raise
    except Exception as error:
        # The engine counted it and went on, and will again.
        _log.debug("event %d failed, as it did when it came", sequence, exc_info=True)
        state.counters.failed += 1
        return error
    return None


def _unsound(state: State) -> str:
    """Return what is not finite, empty when all is."""
    try:
        state.parts()
    except NonFinite as error:
        return str(error)
    if all(user.is_finite() for user in state.users.dirty()):
        return ""
    return "what was learned of a person"
