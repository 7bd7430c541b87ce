"""What follows a history: the loops by which ``recsys.candidates.transitions`` is asked."""

import math

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Question
from recsys.candidates.pool_kernels import TINY, Scratch
from recsys.candidates.transition_kernels import NEGLIGIBLE, Bonds, Found, Kernels, Table, weigh
from recsys.compiled import compiled

__all__ = ["propose", "score"]

_COARSE = 18
"""Bits of a float32 that do not count: five of its fraction do."""
_BLOCK = 1024
"""Items whose worth is summed up before it is made coarse: they stay in the nearest cache."""
_COUNTED = 16384
"""As many at a time can be counted with 16 bits."""


@compiled
def _weigh_past(
    table: Table, kernels: Kernels, items: NDArray[np.int32], times_ms: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the likes that count, newest first, and their weights, ``(n_past, n_kernels)``.

    Weights are divided by what the row of the like is normalised by.
    """
    n, n_kernels = items.shape[0], kernels.history.shape[0]
    most = min(n, kernels.history.max())
    past, weights = np.empty(most, np.int32), np.zeros((most, n_kernels), np.float32)
    weight = np.zeros(n_kernels)
    count = 0
    for lag in range(most):
        item, gap_ms = items[n - 1 - lag], times_ms[n - 1] - times_ms[n - 1 - lag]
        if weigh(kernels, lag, gap_ms, weight) < NEGLIGIBLE:
            break
        past[lag] = item
        for k in range(n_kernels):
            if weight[k] > 0.0:
                if kernels.share[k]:
                    weight[k] /= table.mass[item, k] + 3.0
                else:
                    weight[k] /= math.sqrt(table.likes[item] + kernels.shrink)
                weights[lag, k] = weight[k]
        count += 1
    return past[:count], weights[:count]


@compiled
def _place_neighbours(
    table: Table, past: NDArray[np.int32], found: Found
) -> tuple[int, NDArray[np.int32]]:
    """Give the neighbours of a history places, where not all items have theirs.

    Returns
    -------
    How many there are, and where the neighbours of each row stand, ``(n_past, neighbours)``.
    """
    place_of, known = found.place_of, found.items
    places = np.empty((past.shape[0], table.neighbours.shape[1]), np.int32)
    for i in range(found.size[0]):
        place_of[known[i]] = -1
    count = 0
    for row in range(past.shape[0]):
        neighbours = table.neighbours[past[row]]
        for neighbour in range(table.used[past[row]]):
            item = neighbours[neighbour]
            # Without a branch: it would be mispredicted at every third.
            place = place_of[item]
            new = place < 0
            place = count if new else place
            place_of[item] = place
            known[place] = item
            places[row, neighbour] = place
            count += new
    found.size[0] = count
    return count, places


@compiled
def _add_row(
    places: NDArray[np.int32],
    times: np.float32,
    weights: NDArray[np.float32],
    sums: NDArray[np.float32],
) -> None:
    for neighbour in range(weights.shape[0]):
        sums[np.uint32(places[neighbour])] += times * weights[neighbour]


@compiled
def _add_up(
    table: Table,
    past: NDArray[np.int32],
    weights: NDArray[np.float32],
    k: int,
    packed: bool,
    placed: NDArray[np.int32],
    sums: NDArray[np.float32],
) -> bool:
    """Add up what one kernel says of the neighbours of a history; returns whether it says anything.

    A kernel after the other: its sums stay in the nearest cache, as those of all would not.

    Parameters
    ----------
    past, weights
        See ``_weigh_past``.
    packed, placed
        Whether, and where, the neighbours of each row have places; else each has that of its index.
    sums
        By place, ``(n_places,)``.
    """
    says = False
    sums[:] = 0.0
    for row in range(past.shape[0]):
        item, times = past[row], weights[row, k]
        if times > 0.0:
            says = True
            theirs = table.weights[item, k, : table.used[item]]
            if packed:
                _add_row(placed[row], times, theirs, sums)
            else:
                _add_row(table.neighbours[item], times, theirs, sums)
    return says


@compiled
def _look_up(
    found: Found, n: int, shrink: float, likes: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return what sums are multiplied by for how often each item that is found is liked, ``(n,)``.

    And which of them may be shown.
    """
    rarity, shown = np.empty(n, np.float32), allowed
    if found.packed:
        shown = np.empty(n, np.bool_)
        for i in range(n):
            item = np.uint32(found.items[i])
            rarity[i], shown[i] = likes[item], allowed[item]
    else:
        for i in range(n):
            rarity[i] = likes[i]
    for i in range(n):
        rarity[i] = np.float32(1.0) / np.sqrt(rarity[i] + np.float32(shrink))
    return rarity, shown


@compiled
def _largest(sums: NDArray[np.float32], shown: NDArray[np.bool_]) -> np.float32:
    """Return the largest of some sums of what may be shown; none of them is below 0."""
    # Numbers over 0 are in the order of their bits.
    bits = sums.view(np.int32)
    most = np.zeros(1, np.int32)
    top = np.int32(0)
    for i in range(sums.shape[0]):
        top = max(top, bits[i] & -np.int32(shown[i]))
    most[0] = top
    largest: np.float32 = most.view(np.float32)[0]
    return largest


@compiled
def _score(
    bonds: Bonds,
    question: Question,
    n: int,
    past: NDArray[np.int32],
    weights: NDArray[np.float32],
    placed: NDArray[np.int32],
    shown: NDArray[np.bool_],
    rarity: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Write the scores of what is found; returns the largest of each kernel's, ``(n_kernels,)``."""
    table, kernels, found = bonds.table, bonds.kernels, bonds.found
    origin_ms = bonds.origin_ms[0]
    age_ms = question.ts_ms - origin_ms if origin_ms >= 0 else 0
    largest = np.zeros(bonds.worth.shape[0], np.float32)
    for k in range(largest.shape[0]):
        sums = found.scores[k, :n]
        if not _add_up(table, past, weights, k, found.packed, placed, sums):
            continue
        # A question may name a time long before the first like, or long after the last.
        deflation = np.float32(2.0 ** min(max(-age_ms / bonds.half_life_ms[k], -100.0), 40.0))
        if kernels.share[k]:
            for i in range(n):
                sums[i] *= deflation
        else:
            for i in range(n):
                sums[i] *= deflation * rarity[i]
        largest[k] = _largest(sums, shown)
    return largest


@compiled
def _worth(
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
    largest: NDArray[np.float32],
    shown: NDArray[np.bool_],
) -> NDArray[np.int16]:
    """Return the upper bits of what is worth how much, 0 for what may not be shown, ``(n_found,)``.

    The worth is the sum of the scores, each kernel's divided by its maximum. The upper bits order
    it within 3 %: to find the very n-th takes longer.
    """
    n = shown.shape[0]
    coarse = np.empty(n, np.int16)
    worth = np.empty(min(n, _BLOCK), np.float32)
    bits = worth.view(np.int32)
    for start in range(0, n, _BLOCK):
        end = min(start + _BLOCK, n)
        worth[:] = 0.0
        for k in range(weights.shape[0]):
            if largest[k] > TINY:
                scale = weights[k] / largest[k]
                theirs = scores[k, start:end]
                for i in range(end - start):
                    worth[i] += scale * theirs[i]
        out, may = coarse[start:end], shown[start:end]
        for i in range(end - start):
            out[i] = np.int16((bits[i] & -np.int32(may[i])) >> _COARSE)
    return coarse


@compiled
def _bar(coarse: NDArray[np.int16], most: int) -> int:
    """Return what ``most`` numbers over 0 reach, and few more; 1 if there are less.

    Bit by bit, each by counting who reaches it: many at a time, as no table of counts is filled.
    """
    bar = 0
    for bit in range(30 - _COARSE, -1, -1):
        higher = np.int16(bar + (1 << bit))
        reached = 0
        for start in range(0, coarse.shape[0], _COUNTED):
            part = coarse[start : start + _COUNTED]
            count = np.int16(0)
            for i in range(part.shape[0]):
                count = np.int16(count + np.int16(part[i] >= higher))
            reached += int(count)
        if reached >= most:
            bar += 1 << bit
    return max(bar, 1)


@compiled
def propose(bonds: Bonds, question: Question, pool: Scratch) -> None:
    """Add about the best of the neighbours of a history to a pool.

    The best are those with the largest sums of their scores, each divided by its maximum.
    """
    table, kernels, found = bonds.table, bonds.kernels, bonds.found
    past, weights = _weigh_past(table, kernels, question.items, question.times_ms)
    n, placed = question.allowed.shape[0], table.neighbours[:0]
    if found.packed:
        n, placed = _place_neighbours(table, past, found)
    rarity, shown = _look_up(found, n, kernels.shrink, table.likes, question.allowed)
    largest = _score(bonds, question, n, past, weights, placed, shown, rarity)
    coarse = _worth(found.scores, bonds.worth, largest, shown)
    bar = _bar(coarse, bonds.leaders)
    chosen = np.empty(n + 1, np.int32)
    n_chosen = 0
    for i in range(n):
        # Without a branch, as above.
        chosen[np.uintp(n_chosen)] = i
        n_chosen += coarse[i] >= bar
    place_of, proposed = pool.place_of, pool.proposed
    count = pool.size[0]
    for i in range(n_chosen):
        item = found.items[chosen[i]]
        place = place_of[item]
        new = place < 0
        place_of[item] = count if new else place
        proposed[count] = item
        count += new
    pool.size[0] = count


@compiled
def score(bonds: Bonds, pool: Scratch, column: int) -> None:
    """Fill a column of the pool for each kernel, whoever proposed an item."""
    found, n = bonds.found, pool.size[0]
    places = np.empty(n, np.int32)
    for i in range(n):
        places[i] = found.place_of[np.uint32(pool.proposed[i])]
    for k in range(found.scores.shape[0]):
        known, scores = found.scores[k], pool.scores[column + k]
        for i in range(n):
            place = places[i]
            scores[i] = known[np.uint32(place)] if place >= 0 else np.float32(0.0)
