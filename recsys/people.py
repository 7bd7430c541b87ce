"""All people of a shard in memory, where they fit: then whoever asks or learns waits for no disk.

A store that commits lets nobody in for milliseconds, and a list for somebody who has to be read, or
may be a stranger, would wait for that, and all other lists behind it.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from recsys.shelf import is_in
from recsys.state import State
from recsys.store.base import Store
from recsys.users import UserTable

__all__ = ["People", "Row", "Wanted"]

_PAGE: Final = 500
"""Read while nobody else has the store: a few milliseconds."""

Row = tuple[str, bytes]
"""Somebody's id and record."""


class Wanted(NamedTuple):
    """What is to be read next.

    Attributes
    ----------
    users
        Where they go.
    after
        The people behind this id.
    departures
        Of ``users`` when it was asked for: what was read before the next one is read again.
    """

    users: UserTable
    after: str
    departures: int


class People:
    """Reads the people of a store page by page.

    ::

        while (wanted := people.wanted()) is not None:
            for _ in people.admit(wanted, people.read(wanted)):
                ...  # lists may be asked for, and events learned

    ``read`` may run on the store's thread, the others run on the one that folds.

    Parameters
    ----------
    state
        Returns the state of now.
    """

    def __init__(self, store: Store, state: Callable[[], State]) -> None:
        self._store = store
        self._state = state
        self._users: UserTable | None = None
        self._spilled = 0
        self._after = ""

    def wanted(self) -> Wanted | None:
        """Return what to read; ``None`` when all are in memory, or are too many for it."""
        users = self._state().users
        if users.complete or self._store.n_users > users.room:
            return None
        # Another state has nobody yet, and of one that was crowded the first have left.
        if self._users is not users or self._spilled != users.spilled:
            self._users, self._spilled, self._after = users, users.spilled, ""
        return Wanted(users, self._after, users.departures)

    def read(self, wanted: Wanted) -> list[Row]:
        """Return the next people of the store, none at its end; blocks.

        Raises
        ------
        CorruptRecord
            When somebody's record is damaged.
        StoreError
            When the store cannot be read.
        """
        return self._store.users_after(wanted.after, _PAGE)

    def admit(self, wanted: Wanted, rows: list[Row]) -> Iterator[None]:
        """Take in what was read, in short steps; what is not true any more is left.

        Raises
        ------
        CorruptRecord
            As ``read``.
        """
        for user_id, record in rows:
            if self._outdated(wanted):
                return
            if not is_in(user_id, self._state().void):
                wanted.users.admit(user_id, record)
            self._after = user_id
            yield
        if not rows and not self._outdated(wanted):
            wanted.users.complete = True

    def _outdated(self, wanted: Wanted) -> bool:
        users = self._state().users
        return users is not wanted.users or users.departures != wanted.departures
