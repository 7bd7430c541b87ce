"""Popularity: how often an item was liked lately."""

from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.arrays import Packed, grown, pack_array, unpack_array
from recsys.candidates.base import Source
from recsys.codec import pack, unpack
from recsys.settings import PopularSettings
from recsys.users import User

__all__ = ["Popular"]

_RESCALE_AT = 40.0
"""Half-lives after which the counts are brought back to the present: far below 2**127, the end of
float32."""


class _State(msgspec.Struct):
    counts: Packed
    origin_ms: int


class Popular(Source):
    """Counts with exponential forgetting in event time.

    Forward decay (Cormode et al. 2009): an event at t adds ``2 ** ((t - origin) / half_life)``, so
    that the order of items never has to be brought up to date.
    """

    name: ClassVar[str] = "popular"

    def __init__(self, settings: PopularSettings) -> None:
        self._half_life_ms = settings.half_life_s * 1000.0
        self._counts = np.zeros(64, np.float32)
        self._n_items = 0
        self._origin_ms: int | None = None

    @override
    def grow(self, n_items: int) -> None:
        self._counts = grown(self._counts, n_items)
        self._n_items = n_items

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        if self._origin_ms is None:
            self._origin_ms = ts_ms
        age = (ts_ms - self._origin_ms) / self._half_life_ms
        if age > _RESCALE_AT:
            # After a pause of any length the old counts may vanish, which is what forgetting means.
            self._counts *= np.float32(2.0 ** -min(age, 200.0))
            self._origin_ms = ts_ms
            age = 0.0
        self._counts[item] += np.float32(strength * 2.0 ** max(age, -_RESCALE_AT))

    @override
    def scores(self, user: User, ts_ms: int) -> NDArray[np.float32]:
        return self._counts[: self._n_items]

    @override
    def snapshot(self) -> bytes:
        counts = pack_array(self._counts[: self._n_items])
        return pack(_State(counts, -1 if self._origin_ms is None else self._origin_ms))

    @override
    def restore(self, record: bytes) -> None:
        state = unpack(record, _State)
        self._counts = unpack_array(state.counts, np.float32)
        self._n_items = len(self._counts)
        self._origin_ms = None if state.origin_ms < 0 else state.origin_ms
