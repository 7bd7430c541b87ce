"""Counts over windows of event time: shown, clicked, and expected to be clicked.

A window is a half-life: what happened one half-life ago counts half. Each row remembers when it was
last written and is brought to the present when it is read, so that time costs nothing while nothing
happens.

Expected clicks: each click on a list is divided among its slots by how likely each was looked at.
Clicks over expected clicks (COEC; Zhang & Jones, Comparing click logs and editorial labels, 2007)
say how much rather a thing is chosen than what stood beside it, whatever the place and however good
the list.
"""

from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Packed, Renewal, grown, moved, pack_array, unpack_array
from recsys.codec import pack, unpack
from recsys.compiled import compiled
from recsys.errors import IncompatibleState

__all__ = [
    "CLICKED",
    "EXPECTED",
    "SHOWN",
    "Kind",
    "WindowCounts",
    "count_one",
    "cross",
    "crossed",
]

Kind = Literal[0, 1, 2]
SHOWN: Final = 0
CLICKED: Final = 1
EXPECTED: Final = 2


class _State(msgspec.Struct):
    counts: Packed
    last_ms: Packed
    half_lives_ms: list[float]


class WindowCounts:
    """A row of counts per key, in every window.

    Parameters
    ----------
    half_lives_s
        Of the windows, seconds.

    Attributes
    ----------
    counts
        As of ``last_ms``, float32, shape ``(n_keys or more, n_windows, 3)``.
    last_ms
        When a row was last written, int64, shape ``(n_keys or more,)``.
    """

    def __init__(self, half_lives_s: tuple[float, ...]) -> None:
        self.half_lives_ms = np.array(half_lives_s, np.float64) * 1000.0
        self.counts = np.zeros((64, len(half_lives_s), 3), np.float32)
        self.last_ms = np.zeros(64, np.int64)
        self._n_keys = 0

    @property
    def n_keys(self) -> int:
        """How many keys there is room for; the arrays may be longer."""
        return self._n_keys

    def grow(self, n_keys: int) -> None:
        """Make room for keys below ``n_keys``."""
        self.counts = grown(self.counts, n_keys)
        self.last_ms = grown(self.last_ms, n_keys)
        if n_keys > self._n_keys:
            Renewal.declare()
            self._n_keys = n_keys

    def add(self, key: int, kind: Kind, ts_ms: int, amount: float = 1.0) -> None:
        """Count; an event from before the row's last one counts as of that."""
        count_one(self.counts, self.last_ms, self.half_lives_ms, key, kind, ts_ms, amount, False)

    def add_all(
        self,
        keys: NDArray[np.int32],
        kind: Kind,
        ts_ms: int,
        amounts: NDArray[np.float64],
    ) -> None:
        """Do ``add`` for the keys of each row, in their order.

        Parameters
        ----------
        keys
            Shape ``(n_rows, n_places)``; -1 where there is none.
        amounts
            Of each row, ``(n_rows,)``.
        """
        _add_all(self.counts, self.last_ms, self.half_lives_ms, keys, kind, ts_ms, amounts)

    def read(self, keys: NDArray[np.int32], ts_ms: int) -> NDArray[np.float32]:
        """Return the counts as of a moment, shape ``(len(keys), n_windows, 3)``."""
        ages = np.maximum(ts_ms - self.last_ms[keys], 0)[:, None] / self.half_lives_ms
        decayed: NDArray[np.float32] = self.counts[keys] * np.exp2(-ages)[:, :, None].astype(
            np.float32
        )
        return decayed

    def renumber(self, places: NDArray[np.int64], n_keys: int) -> None:
        """Call key i ``places[i]`` from now on, of ``n_keys``."""
        self.counts = moved(self.counts, places, n_keys)
        self.last_ms = moved(self.last_ms, places, n_keys)
        self._n_keys = n_keys

    def snapshot(self) -> bytes:
        """Return the counts as a record."""
        n = self._n_keys
        half_lives = self.half_lives_ms.tolist()
        return pack(_State(pack_array(self.counts[:n]), pack_array(self.last_ms[:n]), half_lives))

    def restore(self, record: bytes) -> None:
        """Replace the counts by those that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        IncompatibleState
            When they were counted in other windows.
        """
        state = unpack(record, _State)
        if state.half_lives_ms != self.half_lives_ms.tolist():
            stored = [half_life / 1000.0 for half_life in state.half_lives_ms]
            message = f"counts were kept in windows of {stored} s, the settings say otherwise"
            raise IncompatibleState(message)
        self.counts = unpack_array(state.counts, np.float32)
        self.last_ms = unpack_array(state.last_ms, np.int64)
        self._n_keys = len(self.last_ms)


@compiled
def count_one(
    counts: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    half_lives_ms: NDArray[np.float64],
    key: int,
    kind: int,
    ts_ms: int,
    amount: float,
    fades: bool,
) -> None:
    """Do ``WindowCounts.add``; or what comes late has faded on the way, as far as it is late."""
    age_ms = ts_ms - last_ms[key]
    for window in range(counts.shape[1]):
        left = amount
        if age_ms > 0:
            fade = np.float32(2.0 ** (-age_ms / half_lives_ms[window]))
            for other in range(counts.shape[2]):
                counts[key, window, other] *= fade
        elif fades and age_ms < 0:
            left *= 2.0 ** (age_ms / half_lives_ms[window])
        counts[key, window, kind] += np.float32(left)
    last_ms[key] = max(last_ms[key], ts_ms)


@compiled
def _add_all(
    counts: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    half_lives_ms: NDArray[np.float64],
    keys: NDArray[np.int32],
    kind: int,
    ts_ms: int,
    amounts: NDArray[np.float64],
) -> None:
    for row in range(keys.shape[0]):
        for place in range(keys.shape[1]):
            key = keys[row, place]
            if key >= 0:
                count_one(counts, last_ms, half_lives_ms, key, kind, ts_ms, amounts[row], False)


@compiled
def crossed(item: int, token: int, n_keys: int) -> int:
    """Return the row that an item shares with a token of the context, by hashing both."""
    mixed = (item * 0x9E3779B1 + token * 0x85EBCA6B) & 0x7FFFFFFF
    mixed ^= mixed >> 15
    mixed = (mixed * 0x2C1B3C6D) & 0x7FFFFFFF
    mixed ^= mixed >> 12
    return mixed % n_keys


@compiled
def cross(items: NDArray[np.int32], tokens: NDArray[np.int64], n_keys: int) -> NDArray[np.int32]:
    """Return ``crossed`` of every item with every token, ``(n_items, n_tokens)``."""
    keys = np.empty((items.shape[0], tokens.shape[0]), np.int32)
    for row in range(items.shape[0]):
        for place in range(tokens.shape[0]):
            keys[row, place] = crossed(items[row], tokens[place], n_keys)
    return keys
