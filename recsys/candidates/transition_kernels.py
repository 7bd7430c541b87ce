"""The inner loops of ``recsys.candidates.transitions``; its docstring has the formulas."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.pool_kernels import TINY
from recsys.compiled import compiled

__all__ = ["Kernels", "Table", "compact", "learn", "propose"]

_BOTH, _FORWARD, _BACKWARD = 0, 1, 2
_VANISHED = 1e-6
_COMPARED = 32
"""A full row gives up the weakest of so many neighbours, others each time: to compare all would
take longer than all the rest."""
_COARSE = 18
"""Bits of a float32 that do not count: five of its fraction do."""
_NEGLIGIBLE = 1e-3
"""A place in the history that weighs less under every kernel ends the walk through it."""


class Kernels(NamedTuple):
    """Parameters by kernel, each of shape ``(n_kernels,)``, and what all share.

    Attributes
    ----------
    lasting
        Whether a neighbour's worth for its place in a full row counts this kernel's weight: those
        that forget are inflated and would say only who came last.
    """

    lag_decay: NDArray[np.float64]
    gap_s: NDArray[np.float64]
    gap_floor: NDArray[np.float64]
    history: NDArray[np.int64]
    direction: NDArray[np.int64]
    share: NDArray[np.bool_]
    lasting: NDArray[np.bool_]
    shrink: float


class Table(NamedTuple):
    """What was learned; shapes ``(n_items,)``, ``(n_items, neighbours[, n_kernels])``.

    Attributes
    ----------
    mass
        Sum of all weights ever added to a row, by kernel, ``(n_items, n_kernels)``; kept only for
        kernels that normalise by it.
    """

    used: NDArray[np.int32]
    neighbours: NDArray[np.int32]
    weights: NDArray[np.float32]
    likes: NDArray[np.float64]
    mass: NDArray[np.float32]


@compiled
def _weigh(kernels: Kernels, lag: int, gap_ms: int, out: NDArray[np.float64]) -> float:
    """Write w(lag) of every kernel, ``(n_kernels,)``; returns the largest."""
    largest = 0.0
    gap_s = abs(gap_ms) / 1000.0
    for k in range(out.shape[0]):
        out[k] = 0.0
        if lag < kernels.history[k]:
            near = max(math.exp(-gap_s / kernels.gap_s[k]), kernels.gap_floor[k])
            weight = kernels.lag_decay[k] ** lag * near
            # Below float32's sound range ratios of weights say nothing, or infinity.
            out[k] = weight if weight > _VANISHED else 0.0
        largest = max(largest, out[k])
    return largest


@compiled
def _place(table: Table, kernels: Kernels, row: int, item: int, evicted: NDArray[np.int64]) -> int:
    """Return where a row keeps a neighbour, making room for it if need be."""
    used = table.used[row]
    for place in range(used):
        if table.neighbours[row, place] == item:
            return place
    if used < table.neighbours.shape[1]:
        place = used
        table.used[row] = used + 1
    else:
        place = 0
        weakest = math.inf
        for step in range(min(_COMPARED, used)):
            other = (evicted[0] * _COMPARED + step) % used
            total = 0.0
            for k in range(table.weights.shape[2]):
                if kernels.lasting[k]:
                    total += table.weights[row, other, k]
            if total < weakest:
                weakest = total
                place = other
        evicted[0] += 1
    table.neighbours[row, place] = item
    for k in range(table.weights.shape[2]):
        table.weights[row, place, k] = 0.0
    return place


@compiled
def learn(
    table: Table,
    kernels: Kernels,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    item: int,
    ts_ms: int,
    scale: NDArray[np.float64],
    strength: float,
    evicted: NDArray[np.int64],
) -> None:
    """Add a like of ``item`` after a history, oldest first, shapes ``(n_past,)``.

    Parameters
    ----------
    scale
        What the like weighs, by kernel, ``(n_kernels,)``.
    evicted
        Counts, ``(1,)``.
    """
    n_kernels = scale.shape[0]
    weight = np.zeros(n_kernels)
    n_past = items.shape[0]
    for lag in range(n_past):
        past = items[n_past - 1 - lag]
        if _weigh(kernels, lag, ts_ms - times_ms[n_past - 1 - lag], weight) < _NEGLIGIBLE:
            break
        if past == item:
            continue
        after, before = -1, -1
        for k in range(n_kernels):
            added = weight[k] * scale[k]
            if added <= 0.0:
                continue
            if kernels.direction[k] != _BACKWARD:
                if after < 0:
                    after = _place(table, kernels, past, item, evicted)
                table.weights[past, after, k] += added
                if kernels.share[k]:
                    table.mass[past, k] += added
            if kernels.direction[k] != _FORWARD:
                if before < 0:
                    before = _place(table, kernels, item, past, evicted)
                table.weights[item, before, k] += added
                if kernels.share[k]:
                    table.mass[item, k] += added
    table.likes[item] += strength


@compiled
def compact(table: Table, n_items: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return what rows hold, one after the other, ``(n_used,)`` and ``(n_used, n_kernels)``."""
    n_kernels = table.weights.shape[2]
    total = 0
    for row in range(n_items):
        total += table.used[row]
    neighbours = np.empty(total, np.int32)
    weights = np.empty((total, n_kernels), np.float32)
    at = 0
    for row in range(n_items):
        for place in range(table.used[row]):
            neighbours[at] = table.neighbours[row, place]
            for k in range(n_kernels):
                weights[at, k] = table.weights[row, place, k]
            at += 1
    return neighbours, weights


@compiled
def _add_up(
    table: Table,
    kernels: Kernels,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    scores: NDArray[np.float32],
    column: int,
    proposed: NDArray[np.int32],
    known: NDArray[np.bool_],
    count: int,
) -> int:
    """Add the neighbours of a history, oldest first, to a pool; returns the pool's new count."""
    n_kernels = table.weights.shape[2]
    weight = np.zeros(n_kernels)
    n_past = items.shape[0]
    for lag in range(n_past):
        past = items[n_past - 1 - lag]
        gap_ms = times_ms[n_past - 1] - times_ms[n_past - 1 - lag]
        if _weigh(kernels, lag, gap_ms, weight) < _NEGLIGIBLE:
            break
        first, last = n_kernels, 0
        for k in range(n_kernels):
            if kernels.share[k]:
                weight[k] /= table.mass[past, k] + 3.0
            else:
                weight[k] /= math.sqrt(table.likes[past] + kernels.shrink)
            if weight[k] > 0.0:
                first, last = min(first, k), k + 1
        for place in range(table.used[past]):
            item = table.neighbours[past, place]
            if not known[item]:
                known[item] = True
                proposed[count] = item
                count += 1
            for k in range(first, last):
                added = weight[k] * table.weights[past, place, k]
                scores[item, column + k] += np.float32(added)
    return count


@compiled
def _normalise(
    table: Table,
    kernels: Kernels,
    age_ms: int,
    half_life_ms: NDArray[np.float64],
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None:
    """Divide the sums of the pool's items by how often each is liked, and by the inflation.

    Parameters
    ----------
    age_ms
        Since the origin of the weights of forgetful kernels.
    out
        Filled with the same scores, ``(n_items, n_kernels)``.
    """
    deflation = np.empty(half_life_ms.shape[0])
    for k in range(deflation.shape[0]):
        # A question may name a time long before the first like, or long after the last.
        deflation[k] = 2.0 ** min(max(-age_ms / half_life_ms[k], -100.0), 40.0)
    for i in range(items.shape[0]):
        item = items[i]
        cosine = 1.0 / math.sqrt(table.likes[item] + kernels.shrink)
        for k in range(deflation.shape[0]):
            factor = deflation[k] if kernels.share[k] else deflation[k] * cosine
            score = scores[item, column + k] * np.float32(factor)
            scores[item, column + k] = score
            out[i, k] = score


@compiled
def _worth(
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
    items: NDArray[np.int32],
    allowed: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return the sum of each row, each column divided by its maximum; 0 for what is not allowed."""
    n_columns = weights.shape[0]
    largest = np.zeros(n_columns, np.float32)
    for i in range(items.shape[0]):
        if allowed[items[i]]:
            for k in range(n_columns):
                largest[k] = max(largest[k], scores[i, k])
    worth = np.zeros(items.shape[0], np.float32)
    for k in range(n_columns):
        if largest[k] > TINY:
            scale = weights[k] / largest[k]
            for i in range(items.shape[0]):
                worth[i] += scale * scores[i, k]
    for i in range(items.shape[0]):
        if not allowed[items[i]]:
            worth[i] = 0.0
    return worth


@compiled
def _keep_best(
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    most: int,
    proposed: NDArray[np.int32],
    known: NDArray[np.bool_],
    aside: NDArray[np.int32],
) -> int:
    """Put aside all but about the best ``most`` of some items of a pool; returns how many stay.

    The best are those with the largest sums of their scores, each divided by its maximum; what is
    not ``allowed`` is none of them.

    Parameters
    ----------
    scores
        Of the items ``proposed``, ``(n_items, n_columns)``.
    weights
        Of the columns, ``(n_columns,)``.
    aside
        Filled with those that leave, ``(n_items or more,)``.
    """
    worth = _worth(scores, weights, proposed, allowed)
    bar = _bar(worth, most)
    n_best = 0
    n_left = 0
    for i in range(worth.shape[0]):
        item = proposed[i]
        if worth[i] >= bar:
            proposed[n_best] = item
            n_best += 1
        else:
            known[item] = False
            aside[n_left] = item
            n_left += 1
    return n_best


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
def propose(
    table: Table,
    kernels: Kernels,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    age_ms: int,
    half_life_ms: NDArray[np.float64],
    weights: NDArray[np.float32],
    most: int,
    allowed: NDArray[np.bool_],
    scores: NDArray[np.float32],
    column: int,
    proposed: NDArray[np.int32],
    known: NDArray[np.bool_],
    count: int,
    spare: NDArray[np.int32],
) -> tuple[int, int]:
    """Add about the best ``most`` neighbours of a history to a pool.

    Parameters
    ----------
    items, times_ms
        The history, oldest first, ``(n_past,)``.
    age_ms, half_life_ms
        Since the origin of the weights of forgetful kernels; half-lives by kernel.
    weights
        Of the kernels in the mix, ``(n_kernels,)``.
    spare
        Filled with the other neighbours, which have their scores all the same.

    Returns
    -------
    The pool's new count, and how many the others are.
    """
    end = _add_up(table, kernels, items, times_ms, scores, column, proposed, known, count)
    found = proposed[:end]
    own = np.empty((end, weights.shape[0]), np.float32)
    _normalise(table, kernels, age_ms, half_life_ms, scores, column, found, own)
    left = _keep_best(own[count:], weights, allowed, most, found[count:], known, spare)
    return count + left, end - count - left
