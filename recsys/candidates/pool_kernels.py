"""The inner loops of ``recsys.candidates.pool``."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.best_kernels import collect, largest
from recsys.compiled import compiled
from recsys.held import holder

__all__ = [
    "TINY",
    "CutFields",
    "Scratch",
    "add_first",
    "add_items",
    "clear",
    "cut",
    "hold_scratch",
    "uncut",
]

TINY = 1e-20
"""A column whose maximum is smaller says nothing: to divide by it would leave float32."""


CutFields = tuple[
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int32],
    NDArray[np.int32],
]
"""Of ``recsys.candidates.pool.Cut``."""


class Scratch(NamedTuple):
    """What a pool consists of; ``room`` is that of all items or more.

    Attributes
    ----------
    scores, proposed, place_of
        See ``recsys.candidates.pool.Pool``.
    size
        How many items are proposed, ``(1,)``.
    """

    scores: NDArray[np.float32]
    proposed: NDArray[np.int32]
    place_of: NDArray[np.int32]
    size: NDArray[np.int64]


hold_scratch = holder(Scratch)


@compiled
def add_items(pool: Scratch, items: NDArray[np.int32]) -> None:
    """Propose the new ones among ``items``."""
    # Not through the pool in the loop: every access would be a look into memory.
    place_of, proposed = pool.place_of, pool.proposed
    count = pool.size[0]
    for i in range(items.shape[0]):
        item = items[i]
        if place_of[item] < 0:
            place_of[item] = count
            proposed[count] = item
            count += 1
    pool.size[0] = count


@compiled
def add_first(pool: Scratch, orders: NDArray[np.int32], n: int, allowed: NDArray[np.bool_]) -> None:
    """Do as ``recsys.candidates.pool.Pool.add_first``."""
    place_of, proposed = pool.place_of, pool.proposed
    count = pool.size[0]
    for order in range(orders.shape[0]):
        left = n
        for place in range(orders.shape[1]):
            item = orders[order, place]
            if item < 0 or left == 0:
                break
            if not allowed[item]:
                continue
            left -= 1
            if place_of[item] < 0:
                place_of[item] = count
                proposed[count] = item
                count += 1
    pool.size[0] = count


@compiled
def clear(pool: Scratch) -> None:
    """Forget all that is proposed, and its scores."""
    count = pool.size[0]
    place_of, proposed, scores = pool.place_of, pool.proposed, pool.scores
    for i in range(count):
        place_of[proposed[i]] = -1
    for column in range(scores.shape[0]):
        scores[column, :count] = 0.0
    pool.size[0] = 0


@compiled
def cut(
    pool: Scratch,
    allowed: NDArray[np.bool_],
    weights: NDArray[np.float32],
    seats: NDArray[np.int64],
    keep: int,
) -> CutFields:
    """Return the best of a pool, ``recsys.candidates.pool.Cut``.

    Parameters
    ----------
    seats
        How many places each column's best are given at the end, ``(n_columns,)``; the list has to
        be full for that, as nobody needs a seat where all fit.
    """
    count = pool.size[0]
    proposed, scores = pool.proposed[:count], pool.scores
    n_columns = scores.shape[0]
    size = min(keep, count)
    items, mixed = np.empty(size, np.int32), np.empty(size, np.float32)
    maxima = np.zeros(n_columns, np.float32)
    # 1 for what may be shown: to multiply takes no branch.
    shown = np.empty(count, np.float32)
    n_shown = 0
    for i in range(count):
        shown[i] = allowed[proposed[i]]
        n_shown += allowed[proposed[i]]
    mix = np.zeros(count, np.float32)
    for column in range(n_columns):
        values = scores[column, :count]
        maxima[column] = largest(values, shown)
        if maxima[column] > TINY and weights[column] > 0.0:
            scale = weights[column] / maxima[column]
            for i in range(count):
                mix[i] += scale * values[i]
    for i in range(count):
        mix[i] = mix[i] if shown[i] > 0.0 else np.float32(0.0)
    n = collect(proposed, mix, items, mixed)
    if n == size and 0 < n < n_shown:
        _seat(pool, shown, seats, mix, items, mixed)
    places = np.empty(n, np.int32)
    for i in range(n):
        places[i] = pool.place_of[items[i]]
    return items[:n], mixed[:n], maxima, np.arange(n).astype(np.int32), places


@compiled
def uncut() -> CutFields:
    """Return what ``cut`` does of an empty pool without columns."""
    nobody, nothing = np.empty(0, np.int32), np.empty(0, np.float32)
    return nobody, nothing, nothing, nobody, nobody


@compiled
def _holds(items: NDArray[np.int32], item: int) -> bool:
    """Return whether an item is among some."""
    found = False
    for i in range(items.shape[0]):
        found |= items[i] == item
    return found


@compiled
def _seat(
    pool: Scratch,
    shown: NDArray[np.float32],
    seats: NDArray[np.int64],
    mix: NDArray[np.float32],
    items: NDArray[np.int32],
    mixed: NDArray[np.float32],
) -> None:
    """Put the best of each column that has seats in place of the last ones of a full list.

    Parameters
    ----------
    shown
        1 for what may be, 0 for what may not, ``(n_proposed,)``.
    mix
        What each item has in the mix, ``(n_proposed,)``.
    """
    n_proposed = shown.shape[0]
    chosen = np.empty(seats.sum(), np.int32)
    n_chosen = 0
    for column in range(seats.shape[0]):
        if seats[column] == 0:
            continue
        best = np.empty(seats[column], np.int32)
        worth = np.empty(seats[column], np.float32)
        values = pool.scores[column, :n_proposed] * shown
        n = collect(pool.proposed[:n_proposed], values, best, worth)
        for i in range(n):
            if not _holds(chosen[:n_chosen], best[i]):
                chosen[n_chosen] = best[i]
                n_chosen += 1
    # Whoever is high enough in the mix needs no seat; each of those who leave for the others must
    # not have one.
    n_kept = max(items.shape[0] - n_chosen, 0)
    left = 0
    for i in range(n_chosen):
        if not _holds(items[:n_kept], chosen[i]):
            chosen[left] = chosen[i]
            left += 1
    while n_kept + left < items.shape[0]:
        for i in range(left):
            if chosen[i] == items[n_kept]:
                left -= 1
                for j in range(i, left):
                    chosen[j] = chosen[j + 1]
                break
        n_kept += 1
    for i in range(items.shape[0] - n_kept):
        items[n_kept + i] = chosen[i]
        mixed[n_kept + i] = mix[pool.place_of[chosen[i]]]
