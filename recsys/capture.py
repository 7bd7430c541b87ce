"""The state of an engine on its way from memory to the store."""

from collections.abc import Generator, Iterable, Iterator

import msgspec

from recsys.frozen import Frozen
from recsys.killpoints import kill_point
from recsys.shelf import Shelf
from recsys.state import State
from recsys.store.base import Store
from recsys.store.records import LETTERS, DeadLetter

__all__ = ["Capture", "Letters", "at_once", "capturing", "committing"]

_USERS: int = 16
"""Packed in one step."""


class Capture(msgspec.Struct, frozen=True):
    """The state after ``sequence``, which further learning cannot change.

    Attributes
    ----------
    parts
        Of all that is shared; what makes their bytes takes long and may run on another thread.
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
    parts: dict[str, Frozen]
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


def capturing(state: State, shelf: Shelf, letters: Letters) -> Generator[None, None, Capture]:
    """Capture a state step by step; nothing may be learned until the last step is done.

    Raises
    ------
    NonFinite
        When something learned is not finite.
    """
    yield from state.joiner.writing()
    parts = dict[str, Frozen]()
    for name, part in state.frozen():
        parts[name] = part
        yield
    changed = dict[str, bytes]()
    for user in state.users.dirty():
        changed[user.user_id] = state.seal_user(user)
        if len(changed) % _USERS == 0:
            yield
    state.users.clean()
    return Capture(
        state.counters.sequence,
        parts,
        shelf.add(changed),
        state.users.erased,
        letters.waiting(),
        dict(state.void),
    )


def at_once(steps: Generator[None, None, Capture]) -> Capture:
    """Take all steps and return the capture."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            capture: Capture = end.value
            return capture


def committing(store: Store, capture: Capture, left: Iterable[str]) -> Iterator[None]:
    """Write a capture step by step, each of some milliseconds; between them others may use a store.

    Parameters
    ----------
    left
        Who is to be dropped beside those who were erased.

    Raises
    ------
    NonFinite
        Of parts that find out late.
    StoreError
        When it could not be written.
    """
    kill_point("after-capture")
    parts = dict[str, bytes]()
    for name, part in capture.parts.items():
        parts[name] = part()
        yield
    yield from store.staging(parts)
    kill_point("after-staging")
    store.commit_snapshot(
        capture.sequence,
        parts,
        capture.users,
        gone=[*capture.gone, *left],
        letters=capture.letters,
    )
    kill_point("after-snapshot")
    yield
    yield from store.sweeping()
