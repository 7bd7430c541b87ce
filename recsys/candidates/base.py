"""The contract of a candidate source."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.pool import Pool
from recsys.codec import pack, unpack
from recsys.frozen import Frozen, made
from recsys.users import User

__all__ = ["Asker", "Question", "Sizes", "Source", "Untaught", "past_of"]


class Question(NamedTuple):
    """What compiled code reads of an asker; the fields are theirs.

    Attributes
    ----------
    session
        See ``recsys.users.User``.
    """

    items: NDArray[np.int32]
    times_ms: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    ts_ms: int
    session: int


class Asker(NamedTuple):
    """Who asks, and when.

    Attributes
    ----------
    allowed
        Which items are worth proposing, shape ``(n_items,)``, not to be written: what may be shown
        to them, or, where a request names its candidates, all that was not removed.
    items, times_ms
        The person's likes, oldest first, and when, int32 and int64, shapes ``(n_past,)``.
    approximate
        Whether a search may miss some items. Never where something is learned from the answer,
        which must follow from the log alone.
    """

    user: User
    ts_ms: int
    allowed: NDArray[np.bool_]
    items: NDArray[np.int32]
    times_ms: NDArray[np.int64]
    approximate: bool

    @classmethod
    def at(
        cls, user: User, ts_ms: int, allowed: NDArray[np.bool_], *, approximate: bool = False
    ) -> "Asker":
        """Return a person at a moment."""
        return cls(user, ts_ms, allowed, *past_of(user), approximate)

    @property
    def question(self) -> Question:
        """For compiled code."""
        return Question(self.items, self.times_ms, self.allowed, self.ts_ms, self.user.session)


class Sizes(NamedTuple):
    """How many things are known by an index."""

    items: int
    tokens: int


def past_of(user: User, most: int = 0) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return a person's likes, oldest first, and when, shapes ``(n_past,)``.

    Parameters
    ----------
    most
        How many of the newest are wanted; 0 for all.
    """
    return user.items[-most:], user.times_ms[-most:]


class Source(ABC):
    """Proposes items and scores what is proposed, learning online from positive feedback.

    The fold calls ``learn`` once per positive feedback in log order, before the user's own history
    has taken it in; a request calls ``propose`` of every source and then ``score`` of every source
    any number of times in between (``recsys.candidates.gather``, by the compiled functions that the
    methods here call as well). Neither changes anything but the pool, and what of the asker is kept
    from the one to the other. Memory is bounded by the catalogue's bound or by one of its own.

    Attributes
    ----------
    columns
        Names of its scores, which are its columns in the pool, one after the other.
    weights
        What each is worth in the mix, not negative, ``len(columns)`` of them.
    seats
        How many of each column's best are candidates whatever the mix says of them; empty for none.
    """

    columns: tuple[str, ...]
    weights: tuple[float, ...]
    seats: tuple[int, ...] = ()

    @property
    @abstractmethod
    def held(self) -> object:
        """All that the source knows, held for compiled code (``recsys.held``)."""

    @abstractmethod
    def grow(self, n_items: int) -> None:
        """Make room for item indices below ``n_items``; called before they are used."""

    @abstractmethod
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        """Take in that ``user`` liked ``item`` with ``strength`` in (0, 1]."""

    def mix(self, user: User, item: int, ts_ms: int, strength: float, weight: float) -> None:
        """Take in a like that another shard has learned.

        Parameters
        ----------
        user
            Only their likes are known.
        weight
            How many likes it stands for.
        """
        self.learn(user, item, ts_ms, strength * weight)

    @abstractmethod
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        """Add items to the pool.

        A source that proposes so many of its best takes them from those that are allowed: what a
        person may not be shown, because they had it already, would take the place of what they may.
        What is proposed and not allowed is dropped later.

        Parameters
        ----------
        column
            The first of its columns in the pool.
        """

    @abstractmethod
    def score(self, asker: Asker, pool: Pool, column: int) -> None:
        """Fill its columns for all items of the pool, whoever proposed them, after ``propose``.

        Scores are finite and not negative; 0 says nothing. Only order and ratios mean something.
        """

    def renumber(self, items: NDArray[np.int64], tokens: NDArray[np.int64], n: Sizes) -> None:
        """Call item i ``items[i]`` from now on, and likewise attribute tokens.

        Called after ``restore`` of what another shard knew. A source that does not say how keeps
        what its own shard taught it instead.

        Parameters
        ----------
        n
            How many items and tokens there are.
        """
        raise NotImplementedError

    def erase(self, user: User) -> None:  # noqa: B027 - most know nobody
        """Drop what is this person's own and can be told from what is others'."""

    @abstractmethod
    def snapshot(self) -> bytes:
        """Return the whole state as a record of ``recsys.codec``."""

    def freeze(self) -> Frozen:
        """Return the whole state as it is now.

        To be overridden where most of the work of ``snapshot`` can be done later, on another
        thread.
        """
        return made(self.snapshot())

    @abstractmethod
    def restore(self, record: bytes) -> None:
        """Replace the state by one that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        IncompatibleState
            When it was learned under other settings.
        """


class Untaught(Source):
    """A source that learns nothing by itself: what it tells follows from what others know."""

    @override
    def grow(self, n_items: int) -> None:
        """Nothing to make room for."""

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        """Nothing to learn."""

    @override
    def snapshot(self) -> bytes:
        return pack(None)

    @override
    def restore(self, record: bytes) -> None:
        unpack(record, type(None))
