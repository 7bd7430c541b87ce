"""The state of an engine as bytes, between memory and store."""

import msgspec

from recsys.store.records import DeadLetter

__all__ = ["Capture"]


class Capture(msgspec.Struct, frozen=True):
    """The state after ``sequence``, as bytes that further learning cannot change.

    Attributes
    ----------
    users
        Those that changed since the capture before.
    gone
        Who was erased since then, and the sequences of the erasures.
    letters
        Events that could not be learned since then.
    """

    sequence: int
    parts: dict[str, bytes]
    users: dict[str, bytes]
    gone: dict[str, int] = {}
    letters: tuple[DeadLetter, ...] = ()
