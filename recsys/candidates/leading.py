"""What sources have in common that count likes in fading windows and propose the leaders of each.

The leaders are found anew now and then, by a scan of all items, and known further than they are
proposed: people who had the first ones are proposed those behind them.
"""

from abc import abstractmethod
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, pack_array, unpack_array
from recsys.candidates.base import Asker, Source
from recsys.candidates.decayed import DecayedCounts
from recsys.candidates.pool import Pool
from recsys.codec import pack, unpack
from recsys.errors import IncompatibleState
from recsys.settings import PopularWindow
from recsys.users import User

__all__ = ["Leading"]

_REFRESH_EVERY = 32
"""Likes after which the leaders are found anew."""
_WIDE = 4
"""So many times what is proposed is known."""


class _State(msgspec.Struct):
    columns: list[str]
    counts: Packed
    origin_ms: list[int]
    leaders: Packed
    learned: int


class Leading(Source):
    """Counts likes in every window and proposes each window's leaders.

    Parameters
    ----------
    name
        What the columns' names begin with; the window's follows.
    leaders
        How many of each window are proposed.
    """

    def __init__(self, name: str, windows: Mapping[str, PopularWindow], leaders: int) -> None:
        self.columns = tuple(f"{name}_{window}" for window in windows)
        self.weights = tuple(window.weight for window in windows.values())
        self._liked = DecayedCounts([window.half_life_s for window in windows.values()])
        self._leading = leaders
        self._leaders = np.full((len(windows), _WIDE * leaders), -1, np.int32)
        self._learned = 0

    @abstractmethod
    def _count(self, item: int, ts_ms: int, strength: float) -> None:
        """Count a like."""

    @abstractmethod
    def _lead(self, window: int, n: int) -> NDArray[np.int32]:
        """Return up to ``n`` items of the catalogue that lead a window, best first."""

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        self._count(item, ts_ms, strength)
        self._learned += 1
        if self._learned % _REFRESH_EVERY == 0 or self._learned < _REFRESH_EVERY:
            self._find_leaders()

    def _find_leaders(self) -> None:
        self._leaders.fill(-1)
        for window, row in enumerate(self._leaders):
            found = self._lead(window, len(row))
            row[: len(found)] = found

    @override
    def propose(self, asker: Asker, pool: Pool, column: int) -> None:
        pool.add_first(self._leaders, self._leading, asker.allowed)

    @override
    def snapshot(self) -> bytes:
        leaders = pack_array(self._leaders)
        return pack(_State(list(self.columns), *self._liked.packed(), leaders, self._learned))

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        if state.columns != list(self.columns):
            message = (
                f"likes were counted in the windows {state.columns}, the settings say "
                f"{list(self.columns)}"
            )
            raise IncompatibleState(message)
        self._liked.unpack(state.counts, state.origin_ms)
        self._learned = state.learned
        leaders = unpack_array(state.leaders, np.int32)
        if leaders.shape == self._leaders.shape:
            self._leaders = leaders
        else:
            # The settings say another number since.
            self._find_leaders()
