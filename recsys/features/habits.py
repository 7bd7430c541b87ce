"""When items are liked: after which pause, how far into a person's history, how long ago."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Packed, grown, moved, pack_array, unpack_array
from recsys.codec import pack, unpack
from recsys.compiled import compiled

__all__ = ["ItemHabits"]

_LEAST_RATE = 0.02
"""The averages forget on a scale of fifty likes."""

_NOTHING = -1
"""In the place of a pause before somebody's first like."""


class _State(msgspec.Struct):
    pause: Packed
    depth: Packed
    likes: Packed
    last_ms: Packed


class ItemHabits:
    """Running averages per item, all shapes ``(n_items or more,)``.

    Attributes
    ----------
    pause
        ``log(1 + seconds)`` since the person's like before, float32.
    depth
        ``log(1 + likes of the person before)``, float32.
    likes
        How many went into the averages, float32.
    last_ms
        When the item was last liked, int64; 0 before.
    """

    def __init__(self) -> None:
        self.pause = np.zeros(64, np.float32)
        self.depth = np.zeros(64, np.float32)
        self.likes = np.zeros(64, np.float32)
        self.last_ms = np.zeros(64, np.int64)
        self._n_items = 0

    def grow(self, n_items: int) -> None:
        """Make room for item indices below ``n_items``."""
        self.pause = grown(self.pause, n_items)
        self.depth = grown(self.depth, n_items)
        self.likes = grown(self.likes, n_items)
        self.last_ms = grown(self.last_ms, n_items)
        self._n_items = n_items

    def like(self, item: int, pause_ms: int | None, depth: int, ts_ms: int) -> None:
        """Take in a like.

        Parameters
        ----------
        pause_ms
            Since the person's like before, ``None`` for their first: that one says nothing about
            pauses and depths.
        depth
            How many likes came before.
        """
        since_ms = _NOTHING if pause_ms is None else abs(pause_ms)
        _like(self.pause, self.depth, self.likes, self.last_ms, item, since_ms, depth, ts_ms)

    def renumber(self, places: NDArray[np.int64], n_items: int) -> None:
        """Call item i ``places[i]`` from now on, of ``n_items``."""
        self.pause = moved(self.pause, places, n_items)
        self.depth = moved(self.depth, places, n_items)
        self.likes = moved(self.likes, places, n_items)
        self.last_ms = moved(self.last_ms, places, n_items)
        self._n_items = n_items

    def snapshot(self) -> bytes:
        """Return the averages as a record."""
        arrays = (self.pause, self.depth, self.likes, self.last_ms)
        return pack(_State(*(pack_array(array[: self._n_items]) for array in arrays)))

    def restore(self, record: bytes) -> None:
        """Replace the averages by those that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        state = unpack(record, _State)
        self.pause = unpack_array(state.pause, np.float32)
        self.depth = unpack_array(state.depth, np.float32)
        self.likes = unpack_array(state.likes, np.float32)
        self.last_ms = unpack_array(state.last_ms, np.int64)
        self._n_items = len(self.likes)


@compiled
def _like(
    pauses: NDArray[np.float32],
    depths: NDArray[np.float32],
    likes: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    item: int,
    pause_ms: int,
    depth: int,
    ts_ms: int,
) -> None:
    last_ms[item] = max(last_ms[item], ts_ms)
    if pause_ms == _NOTHING:
        return
    likes[item] += np.float32(1.0)
    rate = max(1.0 / likes[item], _LEAST_RATE)
    pauses[item] += np.float32(rate * (math.log1p(pause_ms / 1000.0) - pauses[item]))
    depths[item] += np.float32(rate * (math.log1p(depth) - depths[item]))
