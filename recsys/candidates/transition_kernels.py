"""What ``recsys.candidates.transitions`` knows, and how it learns; it has the formulas.

``recsys.candidates.transition_search`` asks.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled
from recsys.held import holder

__all__ = [
    "NEGLIGIBLE",
    "Bonds",
    "Found",
    "Kernels",
    "Table",
    "compact",
    "hold_bonds",
    "learn",
    "weigh",
]

_BOTH, _FORWARD, _BACKWARD = 0, 1, 2
_VANISHED = 1e-6
_FAR = 15.0
"""So many gaps away a like weighs less than what vanishes."""
_COMPARED = 32
"""A full row gives up the weakest of so many neighbours, others each time: to compare all would
take longer than all the rest."""
NEGLIGIBLE = 1e-3
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
    """What was learned; shapes ``(n_items,)``, ``(n_items, neighbours)``.

    Attributes
    ----------
    weights
        A kernel's one after the other, ``(n_items, n_kernels, neighbours)``: who asks goes through
        them kernel by kernel.
    mass
        Sum of all weights ever added to a row, by kernel, ``(n_items, n_kernels)``; kept only for
        kernels that normalise by it.
    """

    used: NDArray[np.int32]
    neighbours: NDArray[np.int32]
    weights: NDArray[np.float32]
    likes: NDArray[np.float64]
    mass: NDArray[np.float32]


class Found(NamedTuple):
    """The neighbours of a history.

    Attributes
    ----------
    packed
        Whether only neighbours have places; else all items do, each that of its index.
    place_of
        Where an item stands in the others, -1 where it is no neighbour, ``(n_items or more,)``.
    items, scores
        Shapes ``(n_items or more,)`` and ``(n_kernels, n_items or more)``.
    size
        How many they are where they are packed, ``(1,)``.
    """

    packed: bool
    place_of: NDArray[np.int32]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    size: NDArray[np.int64]


class Bonds(NamedTuple):
    """All that the source knows.

    Attributes
    ----------
    origin_ms
        When the weights of forgetful kernels are 1, ``(1,)``; -1 before the first like.
    half_life_ms
        By kernel, ``(n_kernels,)``.
    worth
        What kernels weigh in the mix, ``(n_kernels,)``.
    leaders
        About so many neighbours are proposed.
    evicted
        Neighbours that were given up for new ones, ``(1,)``.
    found
        Of who asked last, as ``score`` follows at once.
    """

    table: Table
    kernels: Kernels
    origin_ms: NDArray[np.int64]
    half_life_ms: NDArray[np.float64]
    worth: NDArray[np.float32]
    leaders: int
    evicted: NDArray[np.int64]
    found: Found


hold_bonds = holder(Bonds)


@compiled
def weigh(kernels: Kernels, lag: int, gap_ms: int, out: NDArray[np.float64]) -> float:
    """Write w(lag) of every kernel, ``(n_kernels,)``; returns the largest."""
    largest = 0.0
    gap_s = abs(gap_ms) / 1000.0
    # Several kernels mean the same by near.
    latest, nearness = -1.0, 0.0
    for k in range(out.shape[0]):
        out[k] = 0.0
        if lag < kernels.history[k]:
            if kernels.gap_s[k] != latest:
                latest = kernels.gap_s[k]
                gaps = gap_s / latest
                nearness = math.exp(-gaps) if gaps < _FAR else 0.0
            near = max(nearness, kernels.gap_floor[k])
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
            for k in range(table.weights.shape[1]):
                if kernels.lasting[k]:
                    total += table.weights[row, k, other]
            if total < weakest:
                weakest = total
                place = other
        evicted[0] += 1
    table.neighbours[row, place] = item
    for k in range(table.weights.shape[1]):
        table.weights[row, k, place] = 0.0
    return place


@compiled
def learn(
    bonds: Bonds,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    item: int,
    ts_ms: int,
    scale: NDArray[np.float64],
    strength: float,
) -> None:
    """Add a like of ``item`` after a history, oldest first, shapes ``(n_past,)``.

    Parameters
    ----------
    scale
        What the like weighs, by kernel, ``(n_kernels,)``.
    """
    table, kernels, evicted = bonds.table, bonds.kernels, bonds.evicted
    n_kernels = scale.shape[0]
    weight = np.zeros(n_kernels)
    n_past = items.shape[0]
    for lag in range(n_past):
        past = items[n_past - 1 - lag]
        if weigh(kernels, lag, ts_ms - times_ms[n_past - 1 - lag], weight) < NEGLIGIBLE:
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
                table.weights[past, k, after] += added
                if kernels.share[k]:
                    table.mass[past, k] += added
            if kernels.direction[k] != _FORWARD:
                if before < 0:
                    before = _place(table, kernels, item, past, evicted)
                table.weights[item, k, before] += added
                if kernels.share[k]:
                    table.mass[item, k] += added
    table.likes[item] += strength


@compiled
def compact(table: Table, n_items: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return what rows hold, one after the other, ``(n_used,)`` and ``(n_used, n_kernels)``."""
    n_kernels = table.weights.shape[1]
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
                weights[at, k] = table.weights[row, k, place]
            at += 1
    return neighbours, weights
