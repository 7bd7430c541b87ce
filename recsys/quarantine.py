"""Takes a bad burst of events out of a log, so that the state is made again without it.

Events leave tombstones: the log keeps its sequences, and their ids stay remembered, so that who
sends them again is told that they are there. Whatever the burst taught goes with it, for the state
is folded anew: from the last snapshot, if that was made before the burst, or else from the start of
the log, which must still be there.
"""

from collections.abc import Iterable

import msgspec

from recsys.errors import StoreError
from recsys.events import Decision, Event, Feedback, Tombstone, UserErase
from recsys.store.base import Store
from recsys.store.records import LETTERS, letter_of

__all__ = ["Burst", "Removal", "take_out"]


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are meant: those to which all that is given applies.

    Attributes
    ----------
    user_id
        Whose they are.
    context
        An entry of their context, and its value as a text: what a sender writes of itself.
    first, last
        Sequences, both included.
    """

    user_id: str | None = None
    context: tuple[str, str] | None = None
    first: int = 1
    last: int | None = None

    def holds(self, sequence: int, event: Event) -> bool:
        """Return whether an event is meant; what is gone already, or is an erasure, is not."""
        last = sequence if self.last is None else self.last
        if isinstance(event, Tombstone | UserErase) or not self.first <= sequence <= last:
            return False
        if self.user_id is None and self.context is None:
            return True
        if not isinstance(event, Decision | Feedback):
            return False
        name, value = self.context or ("", "")
        return (self.user_id is None or event.user_id == self.user_id) and (
            self.context is None or (name in event.context and _text(event.context[name]) == value)
        )


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """What is, or would be, taken out.

    Attributes
    ----------
    events
        How many.
    first, last
        Their sequences, 0 without any.
    afresh
        Whether the whole log is folded again, not only what came after the snapshot.
    """

    events: int
    first: int
    last: int
    afresh: bool


def take_out(store: Store, burst: Burst, *, afresh: bool = False, dry_run: bool = False) -> Removal:
    """Take a burst out of the log of a store that no engine has open.

    The next opening folds the log without it. The newest of the events are kept as dead letters.

    Parameters
    ----------
    afresh
        Fold the whole log again, whatever is found.
    dry_run
        Only say what would be done.

    Raises
    ------
    StoreError
        When the burst began before the snapshot and the start of the log is gone, so that the state
        cannot be made again, or when the store cannot write; then nothing was changed.
    """
    found = [one for one in store.read(after=0) if burst.holds(*one)]
    first = found[0][0] if found else 0
    afresh = afresh or 0 < first <= store.snapshot_sequence
    if afresh and (start := _start(store.read(after=0))) != 1:
        detail = (
            f"the log begins at event {start}: the state after the last snapshot, "
            f"{store.snapshot_sequence}, cannot be made again without event {first}; restore an "
            "older copy of the data directory, or name only events after the snapshot"
        )
        raise StoreError(detail)
    removal = Removal(
        events=len(found), first=first, last=found[-1][0] if found else 0, afresh=afresh
    )
    if dry_run or not (found or afresh):
        return removal
    letters = [letter_of(*one, "quarantined by an operator") for one in found[-LETTERS:]]
    store.bury([one[0] for one in found], "quarantined", letters=letters, afresh=afresh)
    return removal


def _start(log: Iterable[tuple[int, Event]]) -> int:
    return next((sequence for sequence, _ in log), 1)


def _text(value: str | bool | float) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
