"""The inner loops of ``recsys.candidates.pool``."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled
from recsys.held import holder

__all__ = [
    "BLOCK",
    "TINY",
    "Scratch",
    "add_first",
    "add_items",
    "clear",
    "cut",
    "hold_scratch",
    "insert",
    "largest",
    "take_best",
]

TINY = 1e-20
"""A column whose maximum is smaller says nothing: to divide by it would leave float32."""
BLOCK = 4096
"""Scores that are made before the best of them are looked for: they fit into the nearest cache."""
_LANES = 16
"""Numbers that are looked at side by side, as many as fit into the widest register."""
_PARTS = 64
"""Parts of a block whose maxima tell how good the best must be."""
_COMPARED = 128
"""So many, beside a full list, are compared with each other; of more, the worst leave first."""


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
    maxima = np.full(_PARTS, -np.inf, np.float32)
    for start in range(0, scores.shape[0] - _PARTS + 1, _PARTS):
        for part in range(_PARTS):
            score = scores[start + part]
            maxima[part] = score if score > maxima[part] else maxima[part]
    bar = np.float32(np.inf)
    for part in range(_PARTS):
        better = 0
        for other in range(_PARTS):
            better += maxima[other] > maxima[part]
        if better < n:
            bar = min(bar, maxima[part])
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
    if full == 0:
        return 0
    least = best[n - 1] if n == full else _bar(scores, full)
    # Whoever reaches the bar is collected without a branch. To insert them one by one would cost a
    # mispredicted branch or two each.
    size = scores.shape[0]
    found = np.empty(n + size + 1, np.int32)
    worth = np.empty(n + size + 1, np.float32)
    found[:n], worth[:n] = items[:n], best[:n]
    n_found = n
    reached = np.zeros((size + 7) // 8 * 8, np.uint8)
    for i in range(size):
        reached[i] = (scores[i] >= least) & (scores[i] > -np.inf)
    # Of most eight that stand together none does.
    eights = reached.view(np.uint64)
    for eight in range(eights.shape[0]):
        if eights[eight] == 0:
            continue
        for i in range(8 * eight, min(8 * eight + 8, size)):
            found[n_found] = first + i
            worth[n_found] = scores[i]
            n_found += reached[i]
    if n_found > full + _COMPARED:
        n_found = _narrow(found[:n_found], worth[:n_found], full)
    return order(found[:n_found], worth[:n_found], items, best)


@compiled
def _narrow(found: NDArray[np.int32], worth: NDArray[np.float32], full: int) -> int:
    """Leave the ``full`` best, of equal ones the first, in the order in which they stand."""
    n: int = found.shape[0]
    least = np.partition(worth, n - full)[n - full]
    better = 0
    for i in range(n):
        better += worth[i] > least
    equal = full - better
    kept: int = 0
    for i in range(n):
        found[kept], worth[kept] = found[i], worth[i]
        ties = (worth[i] == least) & (equal > 0)
        equal -= ties
        kept += (worth[i] > least) | ties
    return kept


@compiled
def order(
    found: NDArray[np.int32],
    worth: NDArray[np.float32],
    items: NDArray[np.int32],
    best: NDArray[np.float32],
) -> int:
    """Write the best of what was found, ties by index, as many as fit; returns how many.

    Each one's place is how many are better, counted many at a time.
    """
    n = found.shape[0]
    places = np.zeros(n, np.int32)
    for j in range(n):
        item, score = found[j], worth[j]
        for i in range(n):
            better = (score > worth[i]) | ((score == worth[i]) & (item < found[i]))
            places[i] += np.int32(better)
    for i in range(n):
        if places[i] < items.shape[0]:
            items[places[i]] = found[i]
            best[places[i]] = worth[i]
    written: int = min(n, items.shape[0])
    return written


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
) -> tuple[
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int32],
    NDArray[np.int32],
]:
    """Return the fields of ``recsys.candidates.pool.Cut``.

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
    n = _collect(proposed, mix, items, mixed)
    if n == size and 0 < n < n_shown:
        _seat(pool, shown, seats, mix, items, mixed)
    places = np.empty(n, np.int32)
    for i in range(n):
        places[i] = pool.place_of[items[i]]
    return items[:n], mixed[:n], maxima, np.arange(n).astype(np.int32), places


@compiled
def _collect(
    proposed: NDArray[np.int32],
    worth: NDArray[np.float32],
    items: NDArray[np.int32],
    best: NDArray[np.float32],
) -> int:
    """Write the best of some items that are worth more than 0, as ``order``."""
    least = _bar(worth, items.shape[0])
    found = np.empty(proposed.shape[0] + 1, np.int32)
    score = np.empty(proposed.shape[0] + 1, np.float32)
    n_found = 0
    for i in range(proposed.shape[0]):
        found[n_found] = proposed[i]
        score[n_found] = worth[i]
        n_found += (worth[i] > 0.0) & (worth[i] >= least)
    n: int = order(found[:n_found], score[:n_found], items, best)
    return n


@compiled
def largest(values: NDArray[np.float32], shown: NDArray[np.float32]) -> np.float32:
    """Return the largest value over 0 of those that are shown (1, others 0), or 0; NaN is none."""
    lanes = np.zeros(_LANES, np.float32)
    whole = values.shape[0] - values.shape[0] % _LANES
    for start in range(0, whole, _LANES):
        for lane in range(_LANES):
            value = values[start + lane] * shown[start + lane]
            lanes[lane] = value if value > lanes[lane] else lanes[lane]
    most = np.float32(0.0)
    for lane in range(_LANES):
        most = max(most, lanes[lane])
    for i in range(whole, values.shape[0]):
        value = values[i] * shown[i]
        most = value if value > most else most
    return most


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
        n = _collect(pool.proposed[:n_proposed], values, best, worth)
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
