"""What follows a history: the loops by which ``recsys.candidates.transitions`` is asked."""

import math

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Question
from recsys.candidates.best_kernels import largest
from recsys.candidates.pool_kernels import TINY, Scratch
from recsys.candidates.transition_kernels import NEGLIGIBLE, Bonds, Found, Kernels, Table, weigh
from recsys.compiled import compiled

__all__ = ["propose", "score"]

_COARSE = 18
"""Bits of a float32 that do not count: five of its fraction do."""


@compiled
def _add_row(
    table: Table,
    kernels: Kernels,
    past: int,
    weight: NDArray[np.float64],
    places: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Add what one like of a history says.

    Parameters
    ----------
    weight
        Of the like by kernel, ``(n_kernels,)``; divided by what the row is normalised by.
    places
        Where the neighbours of the row stand in the scores.
    """
    weights = table.weights[past]
    for k in range(weight.shape[0]):
        if kernels.share[k]:
            weight[k] /= table.mass[past, k] + 3.0
        else:
            weight[k] /= math.sqrt(table.likes[past] + kernels.shrink)
        if weight[k] > 0.0:
            theirs, times = scores[k], np.float32(weight[k])
            for neighbour in range(table.used[past]):
                theirs[np.uint32(places[neighbour])] += times * weights[neighbour, k]


@compiled
def _add_up(
    table: Table,
    kernels: Kernels,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    found: Found,
    n_items: int,
) -> int:
    """Sum up the neighbours of a history, newest first; returns how many places there are."""
    place_of, known, scores = found.place_of, found.items, found.scores
    n_kernels = scores.shape[0]
    if found.packed:
        for i in range(found.size[0]):
            place_of[known[i]] = -1
    else:
        for k in range(n_kernels):
            scores[k, :n_items] = 0.0
    count = 0
    weight = np.zeros(n_kernels)
    places = np.empty(table.neighbours.shape[1], np.int32)
    n_past = items.shape[0]
    for lag in range(n_past):
        past = items[n_past - 1 - lag]
        gap_ms = times_ms[n_past - 1] - times_ms[n_past - 1 - lag]
        if weigh(kernels, lag, gap_ms, weight) < NEGLIGIBLE:
            break
        neighbours = table.neighbours[past]
        if not found.packed:
            _add_row(table, kernels, past, weight, neighbours, scores)
            continue
        first = count
        for neighbour in range(table.used[past]):
            item = neighbours[neighbour]
            # Without a branch: it would be mispredicted at every third.
            place = place_of[item]
            new = place < 0
            place = count if new else place
            place_of[item] = place
            known[place] = item
            places[neighbour] = place
            count += new
        for k in range(n_kernels):
            scores[k, first:count] = 0.0
        _add_row(table, kernels, past, weight, places, scores)
    found.size[0] = count
    return count if found.packed else n_items


@compiled
def _look_up(
    found: Found, n: int, likes: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how often what is found is liked, and 1 for what may be shown, else 0, ``(n,)``."""
    liked, shown = np.empty(n, np.float32), np.empty(n, np.float32)
    if found.packed:
        for i in range(n):
            item = np.uint32(found.items[i])
            liked[i], shown[i] = likes[item], allowed[item]
    else:
        for i in range(n):
            liked[i] = likes[i]
        for i in range(n):
            shown[i] = allowed[i]
    return liked, shown


@compiled
def _normalise(
    kernels: Kernels,
    age_ms: int,
    half_life_ms: NDArray[np.float64],
    liked: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """Divide the sums of items by how often each is liked, and by the inflation.

    Parameters
    ----------
    age_ms
        Since the origin of the weights of forgetful kernels.
    liked
        Shape ``(n_found,)``.
    scores
        Their sums, ``(n_kernels, n_found or more)``.
    """
    n, shrink = liked.shape[0], np.float32(kernels.shrink)
    cosine = np.empty(n, np.float32)
    for i in range(n):
        cosine[i] = np.float32(1.0) / np.sqrt(liked[i] + shrink)
    for k in range(half_life_ms.shape[0]):
        # A question may name a time long before the first like, or long after the last.
        deflation = np.float32(2.0 ** min(max(-age_ms / half_life_ms[k], -100.0), 40.0))
        sums = scores[k, :n]
        if kernels.share[k]:
            for i in range(n):
                sums[i] *= deflation
        else:
            for i in range(n):
                sums[i] *= deflation * cosine[i]


@compiled
def _worth(
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
    items: NDArray[np.int32],
    shown: NDArray[np.float32],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return who may be shown and is worth more than 0, and how much.

    That is the sum of the scores, each kernel's divided by its maximum.
    """
    n = items.shape[0]
    worth = np.zeros(n, np.float32)
    for k in range(weights.shape[0]):
        theirs = scores[k, :n]
        most = largest(theirs, shown)
        if most > TINY:
            scale = weights[k] / most
            for i in range(n):
                worth[i] += scale * theirs[i]
    who = np.empty(n + 1, np.int32)
    left = np.empty(n + 1, np.float32)
    count = 0
    for i in range(n):
        who[count], left[count] = items[i], worth[i] * shown[i]
        count += left[count] > 0.0
    return who[:count], left[:count]


@compiled
def _bar(worth: NDArray[np.float32], most: int) -> np.float32:
    """Return what ``most`` values over 0 reach, and few more; the least of them if there are less.

    Counted by the upper bits of the values, which order them within 3 %: to find the very n-th
    takes ten times as long.
    """
    bits = worth.view(np.int32)
    counts = np.zeros(1 << (31 - _COARSE), np.int32)
    top = 0
    for i in range(bits.shape[0]):
        place = bits[i] >> _COARSE
        counts[place] += 1
        top = max(top, place)
    left = most
    place = top
    while place > 0:
        left -= counts[place]
        if left <= 0:
            break
        place -= 1
    edge = np.empty(1, np.int32)
    edge[0] = max(place, 1) << _COARSE
    bar: np.float32 = edge.view(np.float32)[0]
    return bar


@compiled
def propose(bonds: Bonds, question: Question, pool: Scratch) -> None:
    """Add about the best of the neighbours of a history to a pool.

    The best are those with the largest sums of their scores, each divided by its maximum.
    """
    origin_ms = bonds.origin_ms[0]
    age_ms = question.ts_ms - origin_ms if origin_ms >= 0 else 0
    table, kernels, found = bonds.table, bonds.kernels, bonds.found
    n_items = question.allowed.shape[0]
    n = _add_up(table, kernels, question.items, question.times_ms, found, n_items)
    liked, shown = _look_up(found, n, table.likes, question.allowed)
    _normalise(kernels, age_ms, bonds.half_life_ms, liked, found.scores)
    items, worth = _worth(found.scores, bonds.worth, found.items[:n], shown)
    bar = _bar(worth, bonds.leaders)
    place_of, proposed = pool.place_of, pool.proposed
    count = pool.size[0]
    for i in range(items.shape[0]):
        # Without a branch, as above.
        place = place_of[items[i]]
        new = (worth[i] >= bar) & (place < 0)
        place_of[items[i]] = count if new else place
        proposed[count] = items[i]
        count += new
    pool.size[0] = count


@compiled
def score(bonds: Bonds, pool: Scratch, column: int) -> None:
    """Fill a column of the pool for each kernel, whoever proposed an item."""
    found = bonds.found
    place_of, known = found.place_of, found.scores
    scores, proposed = pool.scores, pool.proposed
    for i in range(pool.size[0]):
        place = place_of[proposed[i]]
        if place >= 0:
            for k in range(known.shape[0]):
                scores[column + k, i] = known[k, place]
