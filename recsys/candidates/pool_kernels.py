"""The inner loops of ``recsys.candidates.pool``."""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled

__all__ = ["BLOCK", "TINY", "add_first", "add_items", "clear", "cut", "insert", "take_best"]

TINY = 1e-20
"""A column whose maximum is smaller says nothing: to divide by it would leave float32."""
BLOCK = 4096
"""Scores that are made before the best of them are looked for: they fit into the nearest cache."""
_LANES = 16
"""Maxima that are looked for side by side, as many as fit into the widest register."""
_PARTS = 64
"""Parts of a block whose maxima tell how good the best must be."""


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
def add_first(
    orders: NDArray[np.int32],
    n: int,
    allowed: NDArray[np.bool_],
    proposed: NDArray[np.int32],
    known: NDArray[np.bool_],
    count: int,
) -> int:
    """Append the first ``n`` of each order that are allowed; returns how many there are now.

    Parameters
    ----------
    orders
        Items, best first, then -1, shape ``(n_orders, n_places)``.
    """
    for order in range(orders.shape[0]):
        left = n
        for place in range(orders.shape[1]):
            item = orders[order, place]
            if item < 0 or left == 0:
                break
            if not allowed[item]:
                continue
            left -= 1
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
def _bar(scores: NDArray[np.float32], n: int) -> np.float32:
    """Return a score that at least ``n`` reach, and not many more; -inf where that costs too much.

    As many as there are parts have a maximum each: the n-th best of these are reached by ``n``.
    """
    if n > _PARTS or n == 0 or scores.shape[0] < 2 * _PARTS:
        return np.float32(-np.inf)
    largest = np.full(_PARTS, -np.inf, np.float32)
    for start in range(0, scores.shape[0] - _PARTS + 1, _PARTS):
        for part in range(_PARTS):
            score = scores[start + part]
            largest[part] = score if score > largest[part] else largest[part]
    largest.sort()
    bar: np.float32 = largest[_PARTS - n]
    return bar


@compiled
def take_best(
    scores: NDArray[np.float32],
    first: int,
    items: NDArray[np.int32],
    best: NDArray[np.float32],
    n: int,
) -> int:
    """Take the scores of neighbouring items into a list of the best; returns its new length.

    Parameters
    ----------
    scores
        Those of the items from ``first`` on, ``(n_scores,)``; -inf for an item that is not wanted.
    items, best
        The list, as for ``insert``.
    """
    full = items.shape[0]
    least = best[n - 1] if n == full and n > 0 else _bar(scores, full)
    for start in range(0, scores.shape[0], _PARTS):
        end = min(start + _PARTS, scores.shape[0])
        # Most parts end here, counted many items at a time.
        above = 0
        for i in range(start, end):
            above += scores[i] >= least
        if not above:
            continue
        for i in range(start, end):
            # Of a full list a later item takes no place by a tie.
            if scores[i] > least or (n < full and scores[i] == least and least > -np.inf):
                n = insert(items, best, n, first + i, scores[i])
                if n == full and n > 0:
                    least = best[n - 1]
    return n


@compiled
def clear(scores: NDArray[np.float32], items: NDArray[np.int32], known: NDArray[np.bool_]) -> None:
    """Wipe the rows of some items."""
    for item in items:
        known[item] = False
        for column in range(scores.shape[1]):
            scores[item, column] = 0.0


@compiled
def cut(
    scores: NDArray[np.float32],
    proposed: NDArray[np.int32],
    allowed: NDArray[np.bool_],
    weights: NDArray[np.float32],
    seats: NDArray[np.int64],
    totals: NDArray[np.float32],
    largest: NDArray[np.float32],
    items: NDArray[np.int32],
    mixed: NDArray[np.float32],
) -> int:
    """Fill ``items`` and ``mixed`` with the best of the pool; returns how many there are.

    Parameters
    ----------
    seats
        How many places each column's best are given at the end, ``(n_columns,)``; the list has to
        be full for that, as nobody needs a seat where all fit.
    totals
        Scratch, by item, ``(n_items or more,)``.
    largest
        Filled with each column's maximum, ``(n_columns,)``; all 0 before.
    """
    n_columns = scores.shape[1]
    seen = np.empty(proposed.shape[0], np.int32)
    # A column beside the other: what is done to all items is then done to sixteen at a time.
    table = np.empty((n_columns, proposed.shape[0]), np.float32)
    n_seen = 0
    for i in range(proposed.shape[0]):
        item = proposed[i]
        if allowed[item]:
            seen[n_seen] = item
            for column in range(n_columns):
                table[column, n_seen] = scores[item, column]
            n_seen += 1
    scale = np.zeros(n_columns, np.float32)
    mix = np.zeros(n_seen, np.float32)
    for column in range(n_columns):
        largest[column] = _largest(table[column, :n_seen])
        if largest[column] > TINY:
            scale[column] = weights[column] / largest[column]
        for i in range(n_seen):
            mix[i] += scale[column] * table[column, i]
    n = 0
    least = _bar(mix, items.shape[0])
    for i in range(n_seen):
        totals[seen[i]] = mix[i]
        # Most items end here, without a call.
        if mix[i] > 0.0 and mix[i] >= least and (n < items.shape[0] or mix[i] >= mixed[n - 1]):
            n = insert(items, mixed, n, seen[i], mix[i])
    if n == items.shape[0] and 0 < n < n_seen:
        _seat(table, seen[:n_seen], seats, totals, items, mixed)
    return n


@compiled
def _largest(values: NDArray[np.float32]) -> np.float32:
    """Return the largest value over 0, or 0; NaN is none."""
    lanes = np.zeros(_LANES, np.float32)
    whole = values.shape[0] - values.shape[0] % _LANES
    for start in range(0, whole, _LANES):
        for lane in range(_LANES):
            value = values[start + lane]
            lanes[lane] = value if value > lanes[lane] else lanes[lane]
    largest = np.float32(0.0)
    for lane in range(_LANES):
        largest = max(largest, lanes[lane])
    for i in range(whole, values.shape[0]):
        largest = max(largest, values[i])
    return largest


@compiled
def _seat(
    table: NDArray[np.float32],
    seen: NDArray[np.int32],
    seats: NDArray[np.int64],
    totals: NDArray[np.float32],
    items: NDArray[np.int32],
    mixed: NDArray[np.float32],
) -> None:
    """Put the best of each column that has seats in place of the last ones of a full list.

    Parameters
    ----------
    table
        Scores of the items ``seen`` by column, ``(n_columns, n_seen or more)``.
    totals
        What each item has in the mix, by item, ``(n_items or more,)``.
    """
    chosen = np.empty(seats.sum(), np.int32)
    n_chosen = 0
    for column in range(seats.shape[0]):
        if seats[column] == 0:
            continue
        best = np.empty(seats[column], np.int32)
        worth = np.empty(seats[column], np.float32)
        n = 0
        least = _bar(table[column, : seen.shape[0]], seats[column])
        for i in range(seen.shape[0]):
            score = table[column, i]
            if score > 0.0 and score >= least and (n < worth.shape[0] or score >= worth[n - 1]):
                n = insert(best, worth, n, seen[i], score)
        for i in range(n):
            if not (chosen[:n_chosen] == best[i]).any():
                chosen[n_chosen] = best[i]
                n_chosen += 1
    # Whoever is high enough in the mix needs no seat; each of those who leave for the others must
    # not have one.
    n_kept = max(items.shape[0] - n_chosen, 0)
    left = 0
    for i in range(n_chosen):
        if not (items[:n_kept] == chosen[i]).any():
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
        mixed[n_kept + i] = totals[chosen[i]]
