"""The inner loops of ``recsys.candidates.transitions``; its docstring has the formulas."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled

__all__ = ["Kernels", "Table", "compact", "learn", "normalise", "propose"]

_BOTH, _FORWARD, _BACKWARD = 0, 1, 2
_VANISHED = 1e-6
_COMPARED = 32
"""A full row gives up the weakest of so many neighbours, others each time: to compare all would
take longer than all the rest."""
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
def propose(
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
def normalise(
    table: Table,
    kernels: Kernels,
    age_ms: int,
    half_life_ms: NDArray[np.float64],
    scores: NDArray[np.float32],
    column: int,
    items: NDArray[np.int32],
) -> None:
    """Divide the sums of the pool's items by how often each is liked, and by the inflation.

    Parameters
    ----------
    age_ms
        Since the origin of the weights of forgetful kernels.
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
            scores[item, column + k] *= np.float32(factor)
