"""The state of an engine as bytes, between memory and store."""

from collections.abc import Iterable

import msgspec

from recsys.store.records import LETTERS, DeadLetter

__all__ = ["Capture", "Letters"]


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
    void
        See ``recsys.state.State``.
    """

    sequence: int
    parts: dict[str, bytes]
    users: dict[str, bytes]
    gone: dict[str, int] = {}
    letters: tuple[DeadLetter, ...] = ()
    void: dict[tuple[int, int], int] = {}


class Letters:
    """Dead letters on their way to the store; of too many the newest stay."""

    def __init__(self) -> None:
        self._waiting = dict[int, DeadLetter]()

    def add(self, letter: DeadLetter) -> None:
        """Take one in."""
        self._waiting[letter.sequence] = letter
        while len(self._waiting) > LETTERS:
            del self._waiting[next(iter(self._waiting))]

    def waiting(self) -> tuple[DeadLetter, ...]:
        """Return those that are not in the store yet."""
        return tuple(self._waiting.values())

    def settle(self, letters: Iterable[DeadLetter]) -> None:
        """Let go those that were committed."""
        for letter in letters:
            self._waiting.pop(letter.sequence, None)

    def clear(self) -> None:
        """Let go of all."""
        self._waiting.clear()
