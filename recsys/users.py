"""A person's own state, and the table that keeps the recently seen ones in memory."""

import math
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping
from itertools import islice
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.codec import pack, unpack
from recsys.past import Consumed, Seen, longer
from recsys.tastes import LEFT, MEAN, Tastes

__all__ = ["Account", "Novelty", "Unrest", "User", "UserTable"]


_NO_ITEMS: Final = np.zeros(0, np.int32)
_NO_TIMES: Final = np.zeros(0, np.int64)


class Unrest(msgspec.Struct, gc=False):
    """What the drift detectors know of a person; owned by ``recsys.drift``.

    Attributes
    ----------
    slots, clicks
        Of the list that they were shown last; no slots before the first.
    lists, mean
        Lists judged since the last alarm, and clicks per list.
    fall, top, top_ms
        Sum of the Page-Hinkley test, its maximum, and when it stood there: if the clicks have
        fallen, it was then.
    restlessness
        See ``recsys.drift.response``.
    alarms
        Alarms of the shard that have been acted on.
    """

    slots: int = 0
    clicks: int = 0
    lists: int = 0
    mean: float = 0.0
    fall: float = 0.0
    top: float = 0.0
    top_ms: int = 0
    restlessness: float = 0.0
    alarms: int = 0


class Account(msgspec.Struct, gc=False):
    """What lists promised a person and what they earned; owned by ``recsys.learners.trust``.

    Attributes
    ----------
    open_looks, open_promised, open_earned
        Of the list that they were shown last; how many looks it gets.
    promised, earned
        Of those before, fading.
    """

    open_looks: float = 0.0
    open_promised: float = 0.0
    open_earned: float = 0.0
    promised: float = 0.0
    earned: float = 0.0


class Novelty(msgspec.Struct, frozen=True):
    """New items that a person was shown, fading, as of a moment; owned by ``recsys.new_items``."""

    shown: float = 0.0
    ts_ms: int = 0


class User(msgspec.Struct, kw_only=True):
    """Everything the engine knows about one person.

    Attributes
    ----------
    items, times_ms
        Liked items, oldest first, and when; int32 and int64, shapes ``(n_past,)``, bounded by
        ``users.history``. Nobody writes into them, so that copies may share them.
    liked_by, liked_strength
        Type of the feedback that put the newest of them there, and the strongest said of it since.
    session
        Serial of their current session in ``recsys.candidates.sessions``, -1 before the first.
    seen
        How often they were shown items they have not liked since, those shown last at the end,
        bounded by ``users.seen``.
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
    items: NDArray[np.int32] = _NO_ITEMS
    times_ms: NDArray[np.int64] = _NO_TIMES
    liked_by: str = ""
    liked_strength: float = 0.0
    session: int = -1
    seen: Seen = msgspec.field(default_factory=Seen)
    consumed: Consumed = msgspec.field(default_factory=Consumed)
    tastes: Tastes = msgspec.field(default_factory=Tastes)
    model: bytes = b""
    unrest: Unrest = msgspec.field(default_factory=Unrest)
    account: Account = msgspec.field(default_factory=Account)
    novelty: Novelty = Novelty()

    @override
    def __eq__(self, other: object) -> bool:
        """Return whether the records of two are the same."""
        return isinstance(other, User) and pack(self) == pack(other)

    __hash__ = None  # type: ignore[assignment] # they change

    def is_finite(self) -> bool:
        """Return whether all that was learned of them is a finite number."""
        tastes, unrest, account = self.tastes, self.unrest, self.account
        return math.isfinite(
            float(tastes.table[MEAN : LEFT + 1].sum())
            + sum((unrest.mean, unrest.fall, unrest.top, unrest.restlessness))
            + sum((account.open_looks, account.open_promised, account.open_earned))
            + sum((account.promised, account.earned, self.novelty.shown, self.liked_strength))
        )

    @property
    def last_liked(self) -> int:
        """The item that they liked last, -1 before the first."""
        return int(self.items[-1]) if len(self.items) else -1

    def like(self, item: int, ts_ms: int, bound: int) -> None:
        """Put an item at the end of the history."""
        self.items = longer(self.items, item, bound)
        self.times_ms = longer(self.times_ms, ts_ms, bound)
        self.seen.drop(item)

    def forget(self, before_ms: int) -> None:
        """Drop from the history what was liked before a moment; it stays consumed."""
        kept = self.times_ms >= before_ms
        self.items, self.times_ms = self.items[kept], self.times_ms[kept]


class UserTable:
    """Users in memory, the others in the store.

    Parameters
    ----------
    load
        Returns a user's record as of the last snapshot, ``None`` for a stranger.
    room
        How many users stay in memory after a snapshot; those seen last stay.

    Attributes
    ----------
    complete
        Whether all are in memory, so that whoever is not is a stranger and the store is not asked.
    departures
        Counts the moments at which records that were read from the store before may have become
        untrue of people who are not in memory.
    spilled
        How many users have left for the store.
    """

    def __init__(self, load: Callable[[str], bytes | None], room: int) -> None:
        self._load = load
        self.room = room
        self.complete = False
        self.departures = 0
        self._users: OrderedDict[str, User] = OrderedDict()
        self._dirty: dict[str, None] = {}
        self._erased: dict[str, int] = {}
        self._loaded = 0
        self.spilled = 0

    def __len__(self) -> int:
        return len(self._users)

    @property
    def crowded(self) -> bool:
        """Whether more users than the bound were brought in since the last ``spill``."""
        return self._loaded > self.room

    def get(self, user_id: str) -> User | None:
        """Return a known user, from memory or the store; ``None`` for a stranger."""
        user = self._users.get(user_id)
        if user is not None:
            return user
        record = None if self.complete or user_id in self._erased else self._load(user_id)
        if record is None:
            return None
        user = unpack(record, User)
        self._users[user_id] = user
        self._loaded += 1
        return user

    def admit(self, user_id: str, record: bytes) -> None:
        """Take in somebody from the store, as the first to leave again, unless they are newer here.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        if user_id not in self._users and user_id not in self._erased:
            self._users[user_id] = unpack(record, User)
            self._users.move_to_end(user_id, last=False)

    def find(self, user_id: str) -> User | None:
        """Return somebody who is in memory, without asking the store."""
        return self._users.get(user_id)

    def touch(self, user_id: str) -> User:
        """Return a user who is about to change, made if need be."""
        user = self.get(user_id)
        if user is None:
            user = User(user_id=user_id)
            self._users[user_id] = user
        self._users.move_to_end(user_id)
        self._dirty[user_id] = None
        return user

    def depart(self, gone: Callable[[str], bool]) -> list[User]:
        """Drop from memory, and return, the people of whom ``gone`` says so, changed or not."""
        dropped = [user for user_id, user in self._users.items() if gone(user_id)]
        for user in dropped:
            del self._users[user.user_id]
            self._dirty.pop(user.user_id, None)
        self.departures += 1
        return dropped

    def arrive(self, user: User) -> None:
        """Take in a person whose record is not in the store."""
        self._users[user.user_id] = user
        self._users.move_to_end(user.user_id)
        self._dirty[user.user_id] = None

    def in_memory(self) -> list[str]:
        """Return the ids of the people in memory."""
        return list(self._users)

    def erase(self, user_id: str, sequence: int) -> None:
        """Make a person a stranger, whatever the store still holds of them.

        Parameters
        ----------
        sequence
            Of the event that says so.
        """
        self._users.pop(user_id, None)
        self._dirty.pop(user_id, None)
        self._erased[user_id] = sequence
        self.departures += 1

    @property
    def erased(self) -> dict[str, int]:
        """Who was erased and is still in the store, and the sequences of the events: a copy."""
        return dict(self._erased)

    def left(self, erased: Mapping[str, int]) -> None:
        """Forget that people were erased, after they have left the store with a snapshot."""
        self.departures += 1
        for user_id, sequence in erased.items():
            if self._erased.get(user_id) == sequence:
                del self._erased[user_id]

    def dirty(self) -> list[User]:
        """Return the users that changed since the last ``clean``."""
        return [self._users[user_id] for user_id in self._dirty]

    def clean(self) -> None:
        """Forget what changed, after it was captured for a snapshot."""
        self._dirty.clear()

    def spill(self, unsaved: Container[str]) -> list[User]:
        """Drop, and return, the least recently changed users above the bound.

        Parameters
        ----------
        unsaved
            Users to keep although they are not dirty: their record is not in the store yet.
        """
        self._loaded = 0
        surplus = max(len(self._users) - self.room, 0)
        idle = (key for key in self._users if key not in self._dirty and key not in unsaved)
        dropped = [self._users.pop(key) for key in list(islice(idle, surplus))]
        if dropped:
            self.spilled += len(dropped)
            self.departures += 1
            self.complete = False
        return dropped
