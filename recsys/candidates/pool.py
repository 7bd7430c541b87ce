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
from recsys.compiled import compiled

__all__ = ["Cut", "Pool", "add_items", "insert"]


_TINY = 1e-20
"""A column whose maximum is smaller says nothing: to divide by it would leave float32."""


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
        Whether a row is in use, shape ``(n_items or more,)``.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.scores = np.zeros((64, len(self.columns)), np.float32)
        self.proposed = np.zeros(64, np.int32)
        self.known = np.zeros(64, np.bool_)
        self.count = 0

    def grow(self, n_items: int) -> None:
        """Make room for item indices below ``n_items``."""
        self.scores = grown(self.scores, n_items)
        self.proposed = grown(self.proposed, n_items)
        self.known = grown(self.known, n_items)

    @property
    def items(self) -> NDArray[np.int32]:
        """The proposed items, a view."""
        return self.proposed[: self.count]

    def add(self, items: NDArray[np.int32]) -> None:
        """Propose items; those that are proposed already stay where they are."""
        self.count = add_items(items, self.proposed, self.known, self.count)

    def clear(self) -> None:
        """Wipe what the request before has left."""
        _clear(self.scores, self.proposed, self.known, self.count)
        self.count = 0

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
        n = _cut(self.scores, self.items, allowed, weights, largest, items, mixed)
        cut = Cut(items[:n], mixed[:n], largest, np.arange(n, dtype=np.int32))
        return cut if seats is None or n < keep else self._seated(cut, allowed, weights, seats)

    def _seated(
        self,
        cut: Cut,
        allowed: NDArray[np.bool_],
        weights: NDArray[np.float32],
        seats: NDArray[np.int64],
    ) -> Cut:
        """Return a cut whose last places went to the best of the columns that have seats."""
        chosen = np.empty(int(seats.sum()), np.int32)
        n_kept, n_chosen = _seat(self.scores, self.items, allowed, seats, cut.items, chosen)
        if not n_chosen:
            return cut
        seated = self.rate(chosen[:n_chosen], weights, cut.largest)
        return Cut(
            np.concatenate([cut.items[:n_kept], seated.items]),
            np.concatenate([cut.mixed[:n_kept], seated.mixed]),
            cut.largest,
            np.arange(n_kept + n_chosen, dtype=np.int32),
        )

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
        scale = np.divide(weights, largest, out=np.zeros_like(weights), where=largest > _TINY)
        return scores @ scale, largest


@compiled
def add_items(
    items: NDArray[np.int32], proposed: NDArray[np.int32], known: NDArray[np.bool_], count: int
) -> int:
    """Append the new ones among ``items`` to ``proposed``; returns how many there are now."""
    for i in range(items.shape[0]):
        item = items[i]
        if not known[item]:
            known[item] = True
            proposed[count] = item
            count += 1
    return count


@compiled
def insert(
    items: NDArray[np.int32], scores: NDArray[np.float32], n: int, item: int, score: np.float32
) -> int:
    """Insert an item into a short list of the best, ties by index; returns its new length.

    Most items end at the first comparison.

    Parameters
    ----------
    items, scores
        The list, best first: the first ``n`` places are filled.
    """
    if n == items.shape[0]:
        if n == 0 or score < scores[n - 1] or (score == scores[n - 1] and item > items[n - 1]):
            return n
    else:
        n += 1
    place = n - 1
    while place > 0 and (
        score > scores[place - 1] or (score == scores[place - 1] and item < items[place - 1])
    ):
        items[place] = items[place - 1]
        scores[place] = scores[place - 1]
        place -= 1
    items[place] = item
    scores[place] = score
    return n


@compiled
def _seat(
    scores: NDArray[np.float32],
    proposed: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    seats: NDArray[np.int64],
    kept: NDArray[np.int32],
    chosen: NDArray[np.int32],
) -> tuple[int, int]:
    """Fill ``chosen`` with the best of each column that has seats.

    Returns
    -------
    How many of ``kept`` stay, and how many of ``chosen`` come after them; together as many as
    ``kept`` has.
    """
    n_chosen = 0
    for column in range(seats.shape[0]):
        if seats[column] == 0:
            continue
        items = np.empty(seats[column], np.int32)
        best = np.empty(seats[column], np.float32)
        n = 0
        for i in range(proposed.shape[0]):
            item = proposed[i]
            if allowed[item] and scores[item, column] > 0.0:
                n = insert(items, best, n, item, scores[item, column])
        for i in range(n):
            known = False
            for j in range(n_chosen):
                known = known or chosen[j] == items[i]
            if not known:
                chosen[n_chosen] = items[i]
                n_chosen += 1
    # Whoever is high enough in the mix needs no seat; each of those who leave for the others must
    # not have one.
    n_kept = max(kept.shape[0] - n_chosen, 0)
    while True:
        left = 0
        for i in range(n_chosen):
            among = False
            for j in range(n_kept):
                among = among or kept[j] == chosen[i]
            if not among:
                chosen[left], chosen[i] = chosen[i], chosen[left]
                left += 1
        if n_kept + left >= kept.shape[0]:
            return n_kept, min(left, kept.shape[0] - n_kept)
        n_kept += 1


@compiled
def _clear(
    scores: NDArray[np.float32], proposed: NDArray[np.int32], known: NDArray[np.bool_], count: int
) -> None:
    for i in range(count):
        item = proposed[i]
        known[item] = False
        for column in range(scores.shape[1]):
            scores[item, column] = 0.0


@compiled
def _cut(
    scores: NDArray[np.float32],
    proposed: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    weights: NDArray[np.float32],
    largest: NDArray[np.float32],
    best: NDArray[np.int32],
    mixed: NDArray[np.float32],
) -> int:
    n_columns = scores.shape[1]
    for i in range(proposed.shape[0]):
        item = proposed[i]
        if allowed[item]:
            for column in range(n_columns):
                largest[column] = max(largest[column], scores[item, column])
    scale = np.zeros(n_columns, np.float32)
    for column in range(n_columns):
        if largest[column] > _TINY:
            scale[column] = weights[column] / largest[column]
    n = 0
    for i in range(proposed.shape[0]):
        item = proposed[i]
        if not allowed[item]:
            continue
        total = np.float32(0.0)
        for column in range(n_columns):
            total += scale[column] * scores[item, column]
        if total <= 0.0:
            continue
        n = insert(best, mixed, n, item, total)
    return n
