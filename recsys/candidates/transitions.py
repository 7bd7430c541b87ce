"""Item transitions: what is liked soon after what.

On a like of b by a person whose last likes are h_0 (newest), h_1, ...::

    w(x) = lag_decay ** x * max(exp(-gap / gap_s), gap_floor)   gap: seconds between the two likes
    C[h_x, b] += w(x),  C[b, h_x] += w(x)               x < history
    score(j) = sum_x w(x) C[h_x, j] / sqrt((n_h + shrink) (n_j + shrink))

where the gaps of the score are counted from the person's newest like, not from now, so that a pause
does not silence the source. The floor lets a new session begin with what earlier ones taught. n
counts the likes of an item.
"""

import math
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, grown, pack_array, unpack_array
from recsys.candidates.base import Source
from recsys.codec import pack, unpack
from recsys.settings import TransitionSettings
from recsys.users import User

__all__ = ["Transitions"]


class _State(msgspec.Struct):
    used: Packed
    neighbours: Packed
    weights: Packed
    likes: Packed


class Transitions(Source):
    """A bounded table of neighbours per item.

    Rows hold ``(n_items, neighbours)`` indices and weights, filled from the left; a full row gives
    up its weakest neighbour for a new one.
    """

    name: ClassVar[str] = "transitions"

    def __init__(self, settings: TransitionSettings) -> None:
        self._settings = settings
        self._n_items = 0
        self._used = np.zeros(64, np.int32)
        self._likes = np.zeros(64, np.float64)
        self._neighbours = np.full((64, settings.neighbours), -1, np.int32)
        self._weights = np.zeros((64, settings.neighbours), np.float32)
        self.evicted = 0

    @override
    def grow(self, n_items: int) -> None:
        self._used = grown(self._used, n_items)
        self._likes = grown(self._likes, n_items)
        self._neighbours = grown(self._neighbours, n_items, fill=-1)
        self._weights = grown(self._weights, n_items)
        self._n_items = n_items

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        kernel = self._kernel(user, ts_ms)
        kernel.pop(item, None)
        self._likes[item] += strength
        if not kernel:
            return
        past = np.fromiter(kernel.keys(), np.int32, len(kernel))
        weights = np.fromiter(kernel.values(), np.float32, len(kernel)) * np.float32(strength)
        self._add_to_rows(past, item, weights)
        self._add_to_row(item, past, weights)

    @override
    def scores(self, user: User, ts_ms: int) -> NDArray[np.float32]:
        kernel = self._kernel(user, user.times_ms[-1]) if user.times_ms else {}
        if not kernel:
            return np.zeros(self._n_items, np.float32)
        past = np.fromiter(kernel.keys(), np.int32, len(kernel))
        shrink = self._settings.shrink
        mass = np.fromiter(kernel.values(), np.float64, len(kernel))
        mass /= np.sqrt(self._likes[past] + shrink)
        widest = max(int(self._used[past].max()), 1)
        neighbours = self._neighbours[past, :widest]
        weighted = self._weights[past, :widest] * mass[:, None]
        # Empty places hold -1 with weight 0: shifted by one they add nothing to a place of its own.
        total = np.bincount(
            neighbours.ravel() + 1, weights=weighted.ravel(), minlength=self._n_items + 1
        )
        norm = np.sqrt(self._likes[: self._n_items] + shrink)
        return (total[1:] / norm).astype(np.float32)

    def _kernel(self, user: User, now_ms: int) -> dict[int, float]:
        """Return the weight of each item of the recent history, as seen from ``now_ms``."""
        settings = self._settings
        kernel = dict[int, float]()
        recent = user.items[-settings.history :]
        times = user.times_ms[-settings.history :]
        decay = 1.0
        for item, ts_ms in zip(reversed(recent), reversed(times), strict=True):
            gap_s = abs(now_ms - ts_ms) / 1000.0
            weight = decay * max(math.exp(-gap_s / settings.gap_s), settings.gap_floor)
            kernel[item] = kernel.get(item, 0.0) + weight
            decay *= settings.lag_decay
        return kernel

    def _add_to_rows(
        self, rows: NDArray[np.int32], item: int, weights: NDArray[np.float32]
    ) -> None:
        """Add ``weights[i]`` to C[rows[i], item], shapes ``(n_past,)``."""
        match = self._neighbours[rows] == item
        known = match.any(axis=1)
        place = match.argmax(axis=1)
        self._weights[rows[known], place[known]] += weights[known]
        for row, weight in zip(rows[~known].tolist(), weights[~known].tolist(), strict=True):
            self._insert(row, item, weight)

    def _add_to_row(self, row: int, items: NDArray[np.int32], weights: NDArray[np.float32]) -> None:
        """Add ``weights[i]`` to C[row, items[i]], shapes ``(n_past,)``."""
        match = self._neighbours[row][None, :] == items[:, None]
        known = match.any(axis=1)
        place = match.argmax(axis=1)
        self._weights[row, place[known]] += weights[known]
        for item, weight in zip(items[~known].tolist(), weights[~known].tolist(), strict=True):
            self._insert(row, item, weight)

    def _insert(self, row: int, item: int, weight: float) -> None:
        place = int(self._used[row])
        if place < self._settings.neighbours:
            self._used[row] += 1
        else:
            place = int(self._weights[row, :place].argmin())
            self.evicted += 1
        self._neighbours[row, place] = item
        self._weights[row, place] = weight

    @override
    def snapshot(self) -> bytes:
        used = self._used[: self._n_items]
        filled = np.arange(self._neighbours.shape[1]) < used[:, None]
        state = _State(
            pack_array(used),
            pack_array(self._neighbours[: self._n_items][filled]),
            pack_array(self._weights[: self._n_items][filled]),
            pack_array(self._likes[: self._n_items]),
        )
        return pack(state)

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        used = unpack_array(state.used, np.int32)
        # Settings may have narrowed the rows since; what is there stays until it is displaced.
        width = max(self._settings.neighbours, int(used.max(initial=0)))
        n_items = len(used)
        self._neighbours = np.full((n_items, width), -1, np.int32)
        self._weights = np.zeros((n_items, width), np.float32)
        filled = np.arange(width) < used[:, None]
        self._neighbours[filled] = unpack_array(state.neighbours, np.int32)
        self._weights[filled] = unpack_array(state.weights, np.float32)
        self._used = used
        self._likes = unpack_array(state.likes, np.float64)
        self._n_items = n_items
