"""What a store keeps beside log and state: erasures of people, and events that were not learned.

Both are bounded: of finished erasures and of dead letters the newest stay.
"""

from typing import Final

import msgspec

from recsys.codec import encode_event
from recsys.events import Event, UserErase

__all__ = ["ERASURES", "LETTERS", "DeadLetter", "Erasure", "begun", "kind_of", "letter_of"]

ERASURES: Final = 10_000
"""Finished erasures that are remembered, so that their receipts can be answered."""
LETTERS: Final = 1_000
"""Dead letters kept."""
_LONGEST: Final = 300
"""Characters of a cause."""


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """How far a person's erasure is.

    Attributes
    ----------
    receipt
        Id of the ``UserErase`` event.
    sequence
        Its place in the log.
    user_id
        Empty as soon as the log holds nothing of the person any more: a receipt names nobody.
    accepted_ms
        The event's time.
    removed
        Events of the log that became tombstones, the ``UserErase`` itself included.
    done_ms
        When the last byte had left the files, 0 before.
    """

    receipt: str
    sequence: int
    user_id: str
    accepted_ms: int
    removed: int = 0
    done_ms: int = 0


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An event that could not be learned, or that was taken out of the log.

    Attributes
    ----------
    sequence
        Its place in the log.
    kind
        Tag of the event.
    cause
        What went wrong, in one line.
    ts_ms
        The event's own time.
    record
        The event as ``recsys.codec.encode_event`` wrote it.
    """

    sequence: int
    kind: str
    cause: str
    ts_ms: int
    record: bytes


def begun(sequence: int, event: UserErase) -> Erasure:
    """Return an erasure as it begins."""
    return Erasure(
        receipt=event.event_id,
        sequence=sequence,
        user_id=event.user_id,
        accepted_ms=event.ts_ms,
    )


def kind_of(event: Event) -> str:
    """Return the tag of an event."""
    return str(event.__struct_config__.tag)


def letter_of(sequence: int, event: Event, error: Exception | str) -> DeadLetter:
    """Return the dead letter of an event."""
    cause = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return DeadLetter(
        sequence=sequence,
        kind=kind_of(event),
        cause=" ".join(cause.split())[:_LONGEST],
        ts_ms=event.ts_ms,
        record=encode_event(event),
    )
