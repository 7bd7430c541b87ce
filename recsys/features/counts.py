"""Counts per item: liked, shown, clicked where shown."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Packed, grown, moved, pack_array, unpack_array
from recsys.codec import pack, unpack

__all__ = ["ItemCounts"]

_PRIOR_SHOWN = 20.0


class _State(msgspec.Struct):
    liked: Packed
    shown: Packed
    clicked: Packed


class ItemCounts:
    """Three counters per item and the rate they give.

    Attributes
    ----------
    liked, log_liked
        Positive feedback of any origin, and ``log(1 + liked)``, which is asked for all the time.
    shown, clicked
        Slots that showed the item, and those of them that earned positive feedback.
    total_shown
        Sum of ``shown``, to be written by who counts in there.

    Each of the others has shape ``(n_items,)`` or more, float64.
    """

    def __init__(self) -> None:
        self.liked = np.zeros(64, np.float64)
        self.log_liked = np.zeros(64, np.float64)
        self.shown = np.zeros(64, np.float64)
        self.clicked = np.zeros(64, np.float64)
        self.total_shown = 0.0
        self._total_clicked = 0.0

    def grow(self, n_items: int) -> None:
        """Make room for item indices below ``n_items``."""
        self.liked = grown(self.liked, n_items)
        self.log_liked = grown(self.log_liked, n_items)
        self.shown = grown(self.shown, n_items)
        self.clicked = grown(self.clicked, n_items)

    def like(self, item: int, times: float = 1) -> None:
        """Count positive feedback."""
        self.liked[item] += times
        self.log_liked[item] = math.log1p(self.liked[item])

    def click(self, item: int, times: float = 1) -> None:
        """Count slots of the item that earned positive feedback."""
        self.clicked[item] += times
        self._total_clicked += times

    @property
    def base_rate(self) -> float:
        """Clicked share of all slots, drawn towards 5 % while there are few."""
        return (self._total_clicked + 1.0) / (self.total_shown + _PRIOR_SHOWN)

    def click_rate(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return each item's clicked share, drawn towards the base rate, ``(n_candidates,)``."""
        clicked = self.clicked[items] + _PRIOR_SHOWN * self.base_rate
        return clicked / (self.shown[items] + _PRIOR_SHOWN)

    @property
    def used(self) -> bool:
        """Whether anything was counted."""
        # The sums first: a log of many words of mixing asks for it at each of them.
        return bool(self.total_shown or self._total_clicked or self.liked.any())

    def renumber(self, places: NDArray[np.int64], n_items: int) -> None:
        """Call item i ``places[i]`` from now on, of ``n_items``."""
        self.liked = moved(self.liked, places, n_items)
        self.log_liked = moved(self.log_liked, places, n_items)
        self.shown = moved(self.shown, places, n_items)
        self.clicked = moved(self.clicked, places, n_items)

    def snapshot(self) -> bytes:
        """Return the counts as a record."""
        return pack(_State(*(pack_array(a) for a in (self.liked, self.shown, self.clicked))))

    def restore(self, record: bytes) -> None:
        """Replace the counts by those that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        state = unpack(record, _State)
        self.liked = unpack_array(state.liked, np.float64)
        # One by one, as they were counted: numpy's logarithm may differ in the last digit.
        self.log_liked = np.array([math.log1p(liked) for liked in self.liked.tolist()])
        self.shown = unpack_array(state.shown, np.float64)
        self.clicked = unpack_array(state.clicked, np.float64)
        self.total_shown = float(self.shown.sum(dtype=np.float64))
        self._total_clicked = float(self.clicked.sum(dtype=np.float64))
