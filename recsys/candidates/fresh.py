"""Fresh items: new in the catalogue and hardly shown yet."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Source
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.features.counts import ItemCounts
from recsys.settings import FreshSettings
from recsys.users import User

__all__ = ["Fresh"]

_NEWEST = 1000
"""Only this many of the newest items are considered."""


class Fresh(Source):
    """Scores ``2 ** (-age / half_life) / (1 + shown)``.

    It learns nothing by itself: when an item came is in the catalogue, how often it was shown is in
    the counts.
    """

    name: ClassVar[str] = "fresh"

    def __init__(self, settings: FreshSettings, catalogue: Catalogue, counts: ItemCounts) -> None:
        self._half_life_ms = settings.half_life_s * 1000.0
        self._catalogue = catalogue
        self._counts = counts

    @override
    def grow(self, n_items: int) -> None:
        """Nothing to make room for."""

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        """Nothing to learn."""

    @override
    def scores(self, user: User, ts_ms: int) -> NDArray[np.float32]:
        n_items = len(self._catalogue)
        first = max(0, n_items - _NEWEST)
        scores = np.zeros(n_items, np.float32)
        age_ms = np.maximum(ts_ms - self._catalogue.created_ms[first:], 0)
        shown = self._counts.shown[first:n_items]
        scores[first:] = np.exp2(-age_ms / self._half_life_ms) / (1.0 + shown)
        return scores

    @override
    def snapshot(self) -> bytes:
        return pack(None)

    @override
    def restore(self, record: bytes) -> None:
        unpack(record, type(None))
