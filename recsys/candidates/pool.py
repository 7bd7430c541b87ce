"""The pool: what the sources propose for one request, and the scores they give it.

A dense table with a row per item of the catalogue that is kept between requests; only the rows of
proposed items are filled, read and wiped, so that a request costs what is proposed, not what the
catalogue holds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import grown
from recsys.candidates import pool_kernels as compute

__all__ = ["Cut", "Pool"]


class Cut(NamedTuple):
    """The best of a pool.

    Attributes
    ----------
    items
        Dense indices, best first, int32, shape ``(n_candidates,)``.
    mixed
        Their place in the mix: the weighted sum of the sources' scores, each divided by its
        maximum; float32, shape ``(n_candidates,)``.
    largest
        Maximum of each source's column over the items that may be shown, ``(n_columns,)``.
    places
        Each one's place in the order of the mix, 0 for the best, behind which stand those that owe
        theirs to a seat; int32, shape ``(n_candidates,)``.
    """

    items: NDArray[np.int32]
    mixed: NDArray[np.float32]
    largest: NDArray[np.float32]
    places: NDArray[np.int32]

    def take(self, chosen: NDArray[np.intp]) -> "Cut":
        """Return some of them, as they are among all."""
        return self._replace(
            items=self.items[chosen], mixed=self.mixed[chosen], places=self.places[chosen]
        )


class Pool:
    """Scratch memory of one thread.

    Parameters
    ----------
    columns
        Names of the sources' scores.

    Attributes
    ----------
    scores
        float32, shape ``(n_items or more, n_columns)``; 0 where a source says nothing.
    proposed
        The rows in use, in the order of proposing; the first ``count`` entries.
    known
        Whether an item is proposed, shape ``(n_items or more,)``.
    spare
        Room for those that are put ``aside``, int32, shape ``(n_items or more,)``.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.scores = np.zeros((64, len(self.columns)), np.float32)
        self.proposed = np.zeros(64, np.int32)
        self.known = np.zeros(64, np.bool_)
        self.spare = np.zeros(64, np.int32)
        self.count = 0
        self._n_aside = 0
        self._totals = np.zeros(64, np.float32)
        self._no_seats = np.zeros(len(self.columns), np.int64)

    def grow(self, n_items: int) -> None:
        """Make room for item indices below ``n_items``."""
        self.scores = grown(self.scores, n_items)
        self.proposed = grown(self.proposed, n_items)
        self.known = grown(self.known, n_items)
        self.spare = grown(self.spare, n_items)
        self._totals = grown(self._totals, n_items)

    @property
    def items(self) -> NDArray[np.int32]:
        """The proposed items, a view."""
        return self.proposed[: self.count]

    def add(self, items: NDArray[np.int32]) -> None:
        """Propose items; those that are proposed already stay where they are."""
        self.count = compute.add_items(items, self.proposed, self.known, self.count)

    def add_first(self, orders: NDArray[np.int32], n: int, allowed: NDArray[np.bool_]) -> None:
        """Propose the first ``n`` of each order that are allowed.

        Parameters
        ----------
        orders
            Items, best first, then -1, shape ``(n_orders, n_places)``.
        """
        self.count = compute.add_first(orders, n, allowed, self.proposed, self.known, self.count)

    @property
    def aside(self) -> NDArray[np.int32]:
        """Items that are not proposed, and have scores all the same; a view."""
        return self.spare[: self._n_aside]

    def put_aside(self, n: int) -> None:
        """Note that the first ``n`` of ``spare`` are not proposed, but have scores.

        These count if somebody else proposes them.
        """
        self._n_aside = n

    def clear(self) -> None:
        """Wipe what the request before has left."""
        compute.clear(self.scores, self.items, self.known)
        compute.clear(self.scores, self.aside, self.known)
        self.count = self._n_aside = 0

    def cut(
        self,
        allowed: NDArray[np.bool_],
        weights: NDArray[np.float32],
        keep: int,
        seats: NDArray[np.int64] | None = None,
    ) -> Cut:
        """Return the ``keep`` best by the mix, ties by index; only what is ``allowed``.

        Parameters
        ----------
        allowed
            Which items may be shown, shape ``(n_items or more,)``.
        weights
            Of the columns in the mix, not negative, float32, shape ``(n_columns,)``.
        seats
            How many of each column's best are among them whatever their mix, ``(n_columns,)``.
        """
        largest = np.zeros(len(self.columns), np.float32)
        items = np.empty(min(keep, self.count), np.int32)
        mixed = np.empty(len(items), np.float32)
        if seats is None:
            seats = self._no_seats
        n = compute.cut(
            self.scores, self.items, allowed, weights, seats, self._totals, largest, items, mixed
        )
        return Cut(items[:n], mixed[:n], largest, np.arange(n, dtype=np.int32))

    def rate(
        self,
        items: NDArray[np.int32],
        weights: NDArray[np.float32],
        largest: NDArray[np.float32] | None = None,
    ) -> Cut:
        """Return given items as they come; -1 scores nothing.

        Parameters
        ----------
        largest
            What the scores are divided by; the items' own maxima when it is not given.
        """
        mixed, largest = self._mix(items, weights, largest)
        places = np.empty(len(items), np.int32)
        places[(-mixed).argsort(kind="stable")] = np.arange(len(items))
        return Cut(items, mixed, largest, places)

    def rate_among(self, items: NDArray[np.int32], weights: NDArray[np.float32], cut: Cut) -> Cut:
        """Return given items as they are among those of a cut: on its scale, at their place in it.

        Whatever is not in the cut stands behind it.
        """
        mixed, largest = self._mix(items, weights, cut.largest)
        places = dict(zip(cut.items.tolist(), cut.places.tolist(), strict=True))
        behind = len(places)
        found = np.array([places.get(item, behind) for item in items.tolist()], np.int32)
        return Cut(items, mixed, largest, found)

    def _mix(
        self,
        items: NDArray[np.int32],
        weights: NDArray[np.float32],
        largest: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        known = items >= 0
        scores = np.where(known[:, None], self.scores[np.where(known, items, 0)], np.float32(0.0))
        if largest is None:
            largest = scores.max(axis=0, initial=0.0)
        scale = np.divide(
            weights, largest, out=np.zeros_like(weights), where=largest > compute.TINY
        )
        return scores @ scale, largest
