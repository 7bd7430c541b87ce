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
def _add_up(
    table: Table,
    kernels: Kernels,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    found: Found,
) -> int:
    """Sum up the neighbours of a history, oldest first; returns how many there are."""
    place_of, known, scores = found.place_of, found.items, found.scores
    for i in range(found.size[0]):
        place_of[known[i]] = -1
    count = 0
    n_kernels = table.weights.shape[2]
    weight = np.zeros(n_kernels)
    places = np.empty(table.neighbours.shape[1], np.int32)
    n_past = items.shape[0]
    for lag in range(n_past):
        past = items[n_past - 1 - lag]
        gap_ms = times_ms[n_past - 1] - times_ms[n_past - 1 - lag]
        if weigh(kernels, lag, gap_ms, weight) < NEGLIGIBLE:
            break
        used = table.used[past]
        first = count
        for neighbour in range(used):
            item = table.neighbours[past, neighbour]
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
            if kernels.share[k]:
                weight[k] /= table.mass[past, k] + 3.0
            else:
                weight[k] /= math.sqrt(table.likes[past] + kernels.shrink)
            if weight[k] > 0.0:
                for neighbour in range(used):
                    added = weight[k] * table.weights[past, neighbour, k]
                    scores[k, places[neighbour]] += np.float32(added)
    found.size[0] = count
    return count


@compiled
def _normalise(
    table: Table,
    kernels: Kernels,
    age_ms: int,
    half_life_ms: NDArray[np.float64],
    items: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Divide the sums of items by how often each is liked, and by the inflation.

    Parameters
    ----------
    age_ms
        Since the origin of the weights of forgetful kernels.
    scores
        Their sums, ``(n_kernels, n_found or more)``.
    """
    n = items.shape[0]
    cosine = np.empty(n)
    for i in range(n):
        cosine[i] = 1.0 / math.sqrt(table.likes[items[i]] + kernels.shrink)
    for k in range(half_life_ms.shape[0]):
        # A question may name a time long before the first like, or long after the last.
        deflation = 2.0 ** min(max(-age_ms / half_life_ms[k], -100.0), 40.0)
        if kernels.share[k]:
            for i in range(n):
                scores[k, i] *= np.float32(deflation)
        else:
            for i in range(n):
                scores[k, i] *= np.float32(deflation * cosine[i])


@compiled
def _worth(
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
    items: NDArray[np.int32],
    allowed: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return the sum by item, each kernel divided by its maximum; 0 for what is not allowed."""
    n = items.shape[0]
    shown = np.empty(n, np.float32)
    for i in range(n):
        shown[i] = allowed[items[i]]
    worth = np.zeros(n, np.float32)
    for k in range(weights.shape[0]):
        most = largest(scores[k, :n], shown)
        if most > TINY:
            scale = weights[k] / most
            for i in range(n):
                worth[i] += scale * scores[k, i]
    for i in range(n):
        worth[i] *= shown[i]
    return worth


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
    n = _add_up(table, kernels, question.items, question.times_ms, found)
    items, scores = found.items[:n], found.scores
    _normalise(table, kernels, age_ms, bonds.half_life_ms, items, scores)
    worth = _worth(scores, bonds.worth, items, question.allowed)
    bar = _bar(worth, bonds.leaders)
    place_of, proposed = pool.place_of, pool.proposed
    count = pool.size[0]
    for i in range(n):
        if worth[i] >= bar and place_of[items[i]] < 0:
            place_of[items[i]] = count
            proposed[count] = items[i]
            count += 1
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
