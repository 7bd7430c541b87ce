"""The contract of a candidate source."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.users import User

__all__ = ["Proposal", "Source"]


class Proposal(NamedTuple):
    """Items with scores, in no particular order.

    Attributes
    ----------
    items
        Dense item indices, int32, shape ``(n_proposed,)``, each once.
    scores
        Positive scores, float32, shape ``(n_proposed,)``; only their order and ratios mean
        something, and only within one proposal.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]

    @classmethod
    def empty(cls) -> "Proposal":
        """Return the proposal of a source that has nothing to say."""
        return cls(np.empty(0, np.int32), np.empty(0, np.float32))


class Source(ABC):
    """Proposes items, learning online from positive feedback.

    The recommender calls ``learn`` once per positive feedback in log order, before the user's own
    history has taken it in, and ``propose`` any number of times in between. ``propose`` and
    ``score`` change nothing. Memory is bounded by the catalogue's bound.
    """

    name: str
    """Column name of its score among the features."""

    @abstractmethod
    def grow(self, n_items: int) -> None:
        """Make room for item indices below ``n_items``; called before they are used."""

    @abstractmethod
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        """Take in that ``user`` liked ``item`` with ``strength`` in (0, 1]."""

    @abstractmethod
    def propose(self, user: User, ts_ms: int, limit: int) -> Proposal:
        """Return the ``limit`` best items for ``user``; ties are broken by item index."""

    @abstractmethod
    def score(self, user: User, ts_ms: int, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the scores of the given items, 0 where it has nothing to say.

        Items may be -1 (not in the catalogue), which score 0.
        """

    @abstractmethod
    def snapshot(self) -> bytes:
        """Return the whole state as a record of ``recsys.codec``."""

    @abstractmethod
    def restore(self, record: bytes) -> None:
        """Replace the state by one that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
