"""Counts that fade with event time, one per key and window.

Forward decay (Cormode et al. 2009): an event at t adds ``2 ** ((t - origin) / half_life)``, so that
the order of keys never has to be brought up to date.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Packed, grown, moved, pack_array, unpack_array
from recsys.compiled import compiled

__all__ = ["DecayedCounts", "fade"]

_RESCALE_AT = 40.0
"""Half-lives after which the counts are brought back to the present: far below 2**127, the end of
float32."""
_FADED = 100.0
"""Half-lives after which a count has faded about as far as float32 goes."""


class DecayedCounts:
    """Counts of keys below ``grow``'s bound.

    Parameters
    ----------
    half_lives_s
        Of the windows, seconds.

    Attributes
    ----------
    counts
        As of each window's origin, float32, shape ``(n_keys or more, n_windows)``: fit for
        comparing keys.
    origin_ms, half_lives_ms
        By window, int64 and float64, ``(n_windows,)``; an origin is -1 before the first event.
    """

    def __init__(self, half_lives_s: Sequence[float]) -> None:
        self.half_lives_ms = np.array([1000.0 * half_life for half_life in half_lives_s])
        self.counts = np.zeros((64, len(self.half_lives_ms)), np.float32)
        self.origin_ms = np.full(len(self.half_lives_ms), -1, np.int64)
        self._n_keys = 0

    def grow(self, n_keys: int) -> None:
        """Make room for keys below ``n_keys``."""
        self.counts = grown(self.counts, n_keys)
        self._n_keys = n_keys

    def add(self, key: int, ts_ms: int, amount: float) -> None:
        """Count an event."""
        _add(self.counts, self.origin_ms, self.half_lives_ms, key, ts_ms, amount)

    def renumber(self, places: NDArray[np.int64], n_keys: int) -> None:
        """Call key i ``places[i]`` from now on, of ``n_keys``."""
        self.counts = moved(self.counts, places, n_keys)
        self._n_keys = n_keys

    def packed(self) -> tuple[Packed, list[int]]:
        """Return the counts and the windows' origins, as parts of a record."""
        return pack_array(self.counts[: self._n_keys]), self.origin_ms.tolist()

    def unpack(self, counts: Packed, origin_ms: list[int]) -> None:
        """Replace the counts by packed ones, which must be of the same windows."""
        self.counts = unpack_array(counts, np.float32)
        self._n_keys = len(self.counts)
        self.origin_ms = np.array(origin_ms, np.int64)


@compiled
def _add(
    counts: NDArray[np.float32],
    origin_ms: NDArray[np.int64],
    half_lives_ms: NDArray[np.float64],
    key: int,
    ts_ms: int,
    amount: float,
) -> None:
    for window in range(counts.shape[1]):
        if origin_ms[window] < 0:
            origin_ms[window] = ts_ms
        age = (ts_ms - origin_ms[window]) / half_lives_ms[window]
        if age > _RESCALE_AT:
            # After a pause of any length the old counts may vanish: that is forgetting.
            counts[:, window] *= np.float32(2.0 ** -min(age, 200.0))
            origin_ms[window] = ts_ms
            age = 0.0
        counts[key, window] += np.float32(amount * 2.0 ** max(age, -_RESCALE_AT))


@compiled
def fade(origin_ms: int, half_life_ms: float, ts_ms: int) -> float:
    """Return by what a window's counts are multiplied to be as of a moment."""
    if origin_ms < 0:
        return 1.0
    age = (ts_ms - origin_ms) / half_life_ms
    faded: float = 2.0 ** min(max(-age, -_FADED), _RESCALE_AT)
    return faded
