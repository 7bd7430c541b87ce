"""A person's own state, and the table that keeps the recently seen ones in memory."""

from collections import OrderedDict
from collections.abc import Callable, Iterator

import msgspec

from recsys.codec import pack, unpack

__all__ = ["Tastes", "User", "UserTable"]


class Tastes(msgspec.Struct):
    """The personal bandit's posterior: attribute index to mean and variance.

    Owned by ``recsys.learners.personal_bandit``; kept here because it is the person's.
    """

    mean: dict[int, float] = {}
    variance: dict[int, float] = {}


class User(msgspec.Struct, kw_only=True):
    """Everything the engine knows about one person.

    Attributes
    ----------
    items, times_ms
        Liked items, oldest first, and when; parallel, bounded by ``users.history``.
    consumed
        Items not to be recommended again, oldest first, bounded by ``users.consumed``.
    model
        The person's River estimator as a sealed record of ``recsys.learners.user_model``.
    """

    user_id: str
    events: int = 0
    shown: int = 0
    clicks: int = 0
    last_seen_ms: int = 0
    items: list[int] = []
    times_ms: list[int] = []
    consumed: dict[int, None] = {}
    tastes: Tastes = msgspec.field(default_factory=Tastes)
    model: bytes = b""

    def like(self, item: int, ts_ms: int, bound: int) -> None:
        """Put an item at the end of the history; a repeat of the newest only moves its time."""
        if self.items and self.items[-1] == item:
            self.times_ms[-1] = ts_ms
            return
        self.items.append(item)
        self.times_ms.append(ts_ms)
        if len(self.items) > bound:
            del self.items[0], self.times_ms[0]

    def consume(self, item: int, bound: int) -> None:
        """Remember that the item is not to be recommended again."""
        self.consumed.pop(item, None)
        self.consumed[item] = None
        if len(self.consumed) > bound:
            del self.consumed[next(iter(self.consumed))]


class UserTable:
    """Users in memory, the others in the store.

    Parameters
    ----------
    load
        Returns a user's record as of the last snapshot, ``None`` for a stranger.
    in_memory
        How many users stay in memory after a snapshot; those seen last stay.
    """

    def __init__(self, load: Callable[[str], bytes | None], in_memory: int) -> None:
        self._load = load
        self._in_memory = in_memory
        self._users: OrderedDict[str, User] = OrderedDict()
        self._dirty: dict[str, None] = {}
        self.spilled = 0

    def __len__(self) -> int:
        return len(self._users)

    def get(self, user_id: str) -> User | None:
        """Return a known user, from memory or the store; ``None`` for a stranger."""
        user = self._users.get(user_id)
        if user is not None:
            return user
        record = self._load(user_id)
        if record is None:
            return None
        user = unpack(record, User)
        self._users[user_id] = user
        return user

    def touch(self, user_id: str) -> User:
        """Return a user who is about to change, made if need be."""
        user = self.get(user_id)
        if user is None:
            user = User(user_id=user_id)
            self._users[user_id] = user
        self._users.move_to_end(user_id)
        self._dirty[user_id] = None
        return user

    def dirty(self) -> dict[str, bytes]:
        """Return the records of the users that changed since the last ``clean``."""
        return {user_id: pack(self._users[user_id]) for user_id in self._dirty}

    def clean(self) -> None:
        """Forget what changed, after it was captured for a snapshot."""
        self._dirty.clear()

    def spill(self) -> None:
        """Drop the least recently changed users above the bound that are not dirty."""
        surplus = len(self._users) - self._in_memory
        if surplus <= 0:
            return
        for user_id in [key for key in self._users if key not in self._dirty][:surplus]:
            del self._users[user_id]
            self.spilled += 1

    def __iter__(self) -> Iterator[User]:
        return iter(self._users.values())
