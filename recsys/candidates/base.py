"""The contract of a candidate source."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recsys.users import User

__all__ = ["Source"]


class Source(ABC):
    """Proposes items by scoring all of them, learning online from positive feedback.

    The fold calls ``learn`` once per positive feedback in log order, before the user's own history
    has taken it in; a request calls ``scores`` any number of times in between. ``scores`` changes
    nothing. Memory is bounded by the catalogue's bound.
    """

    name: ClassVar[str]
    """Column name of its score among the features."""

    @abstractmethod
    def grow(self, n_items: int) -> None:
        """Make room for item indices below ``n_items``; called before they are used."""

    @abstractmethod
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        """Take in that ``user`` liked ``item`` with ``strength`` in (0, 1]."""

    @abstractmethod
    def scores(self, user: User, ts_ms: int) -> NDArray[np.float32]:
        """Return the score of every item for ``user``.

        Returns
        -------
        Shape ``(n_items,)``, finite, not negative; 0 means that the source does not propose the
        item. Only order and ratios mean something, and only within one answer. The caller must
        not write to it.
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
