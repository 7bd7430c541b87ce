"""The pool: what the sources propose for one request, and the scores they give it.

Proposed items stand one behind the other in arrays that are kept between requests, with room for
the whole catalogue, so that a request costs what is proposed, not what the catalogue holds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Renewal
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
    pooled
        Where each one stands in the pool, -1 for what is not in it; int32, ``(n_candidates,)``.
    """

    items: NDArray[np.int32]
    mixed: NDArray[np.float32]
    largest: NDArray[np.float32]
    places: NDArray[np.int32]
    pooled: NDArray[np.int32]

    def take(self, chosen: NDArray[np.intp]) -> "Cut":
        """Return some of them, as they are among all."""
        return self._replace(
            items=self.items[chosen],
            mixed=self.mixed[chosen],
            places=self.places[chosen],
            pooled=self.pooled[chosen],
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
        float32, shape ``(n_columns, n_items or more)``: by place in ``proposed``; 0 where a source
        says nothing.
    proposed
        Items in the order of proposing; the first ``count`` entries.
    place_of
        Where an item stands in these, -1 for what is not proposed, ``(n_items or more,)``.
    held
        All of it, for compiled code.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._size = np.zeros(1, np.int64)
        self._no_seats = np.zeros(len(self.columns), np.int64)
        self._make(64)

    def _make(self, n_items: int) -> None:
        self.scores = np.zeros((len(self.columns), n_items), np.float32)
        self.proposed = np.zeros(n_items, np.int32)
        self.place_of = np.full(n_items, -1, np.int32)
        self._size[:] = 0
        Renewal.declare()
        self.held = compute.hold_scratch(
            compute.Scratch(self.scores, self.proposed, self.place_of, self._size)
        )

    def grow(self, n_items: int) -> None:
        """Make room for item indices below ``n_items``."""
        if n_items > len(self.proposed):
            items, scores = self.items, self.scores[:, : self.count]
            self._make(max(n_items, 2 * len(self.proposed)))
            self.add(items)
            self.scores[:, : self.count] = scores

    @property
    def count(self) -> int:
        """How many items are proposed."""
        return int(self._size[0])

    @property
    def items(self) -> NDArray[np.int32]:
        """The proposed items, a view."""
        return self.proposed[: self.count]

    def table(self, n_items: int) -> NDArray[np.float32]:
        """Return the scores by item, 0 for what is not proposed, ``(n_items, n_columns)``."""
        table = np.zeros((n_items, len(self.columns)), np.float32)
        table[self.items] = self.scores[:, : self.count].T
        return table

    def add(self, items: NDArray[np.int32]) -> None:
        """Propose items; those that are proposed already stay where they are."""
        compute.add_items(self.held, items)

    def add_first(self, orders: NDArray[np.int32], n: int, allowed: NDArray[np.bool_]) -> None:
        """Propose the first ``n`` of each order that are allowed.

        Parameters
        ----------
        orders
            Items, best first, then -1, shape ``(n_orders, n_places)``.
        """
        compute.add_first(self.held, orders, n, allowed)

    def clear(self) -> None:
        """Wipe what the request before has left."""
        compute.clear(self.held)

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
        if seats is None:
            seats = self._no_seats
        return Cut(*compute.cut(self.held, allowed, weights, seats, keep))

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
        mixed, largest, pooled = self._mix(items, weights, largest)
        places = np.empty(len(items), np.int32)
        places[(-mixed).argsort(kind="stable")] = np.arange(len(items))
        return Cut(items, mixed, largest, places, pooled)

    def rate_among(self, items: NDArray[np.int32], weights: NDArray[np.float32], cut: Cut) -> Cut:
        """Return given items as they are among those of a cut: on its scale, at their place in it.

        Whatever is not in the cut stands behind it.
        """
        mixed, largest, pooled = self._mix(items, weights, cut.largest)
        places = dict(zip(cut.items.tolist(), cut.places.tolist(), strict=True))
        behind = len(places)
        found = np.array([places.get(item, behind) for item in items.tolist()], np.int32)
        return Cut(items, mixed, largest, found, pooled)

    def _mix(
        self,
        items: NDArray[np.int32],
        weights: NDArray[np.float32],
        largest: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
        pooled = np.where(items >= 0, self.place_of[np.maximum(items, 0)], -1).astype(np.int32)
        scores = np.where((pooled >= 0)[:, None], self.scores.T[pooled], np.float32(0.0))
        scores = np.ascontiguousarray(scores)
        if largest is None:
            largest = scores.max(axis=0, initial=0.0)
        scale = np.divide(
            weights, largest, out=np.zeros_like(weights), where=largest > compute.TINY
        )
        return scores @ scale, largest, pooled
