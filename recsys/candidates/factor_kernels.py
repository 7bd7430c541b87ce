"""The inner loops of ``recsys.candidates.factors``; its docstring has the formulas."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Question
from recsys.candidates.nearest import affinity, scan_into
from recsys.candidates.pool_kernels import Scratch, add_items
from recsys.compiled import compiled
from recsys.held import holder

__all__ = [
    "Model",
    "Near",
    "Rings",
    "Shape",
    "Vectors",
    "begin",
    "hold_vectors",
    "learn",
    "person",
    "propose",
    "score",
]

Array = NDArray[np.float32]

_FLAT = 1e-4
"""An item whose probability is off by less teaches nothing."""
_FAR = 10.0
"""Scores stay between exp(-10) and exp(10)."""


class Model(NamedTuple):
    """Vectors, and the squares of their slopes so far; all shapes ``(n_items or more, n_factors)``.

    Attributes
    ----------
    inputs
        What a like says of the person.
    outputs
        What a person has to be like to like the item.
    """

    inputs: Array
    outputs: Array
    input_squares: Array
    output_squares: Array


class Shape(NamedTuple):
    """The settings; ``seed`` is, with a counter, the only source of chance."""

    decay: float
    gap_ms: float
    gap_floor: float
    rate: float
    negatives: int
    seed: int
    history: int
    leaders: int


class Rings(NamedTuple):
    """What happened lately.

    Attributes
    ----------
    latest
        Items of the latest likes of anybody, ``(n_likes,)``.
    counts
        How often each item is among them, ``(n_items or more,)``.
    items, weights
        The pasts of the latest lessons, newest like first, and what each like weighs, shapes
        ``(n_lessons, n_past)``.
    sizes, targets
        How long each past is, and what was liked after it, ``(n_lessons,)``.
    """

    latest: NDArray[np.int32]
    counts: NDArray[np.int32]
    items: NDArray[np.int32]
    weights: Array
    sizes: NDArray[np.int32]
    targets: NDArray[np.int32]


class Vectors(NamedTuple):
    """All that the source knows.

    Attributes
    ----------
    latest
        The vector of who asked last, ``(n_factors,)``: ``score`` follows at once.
    asked
        Whether they have one, ``(1,)``.
    products
        Of theirs with those of all items, ``(n_items or more,)``.
    scanned
        Whether that is so: an index leaves most of them out, ``(1,)``.
    """

    model: Model
    rings: Rings
    shape: Shape
    latest: Array
    asked: NDArray[np.bool_]
    products: Array
    scanned: NDArray[np.bool_]


hold_vectors = holder(Vectors)


@compiled
def _lot(seed: int, counter: int, n: int) -> int:
    """Return a number in ``range(n)`` (SplitMix64; Steele, Lea & Flood 2014)."""
    z = np.uint64(seed) + np.uint64(counter) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((z ^ (z >> np.uint64(31))) % np.uint64(n))


@compiled
def begin(vectors: Array, first: int, seed: int, width: float) -> None:
    """Fill rows from ``first`` on with numbers in ``(-width, width)``, each by its index."""
    n_factors = vectors.shape[1]
    for item in range(first, vectors.shape[0]):
        for d in range(n_factors):
            drawn = _lot(seed, item * n_factors + d, 1 << 24)
            vectors[item, d] = width * (2.0 * drawn / (1 << 24) - 1.0)


@compiled
def _weigh(times_ms: NDArray[np.int64], shape: Shape) -> Array:
    """Return what likes weigh, newest first, their squares summing to 1, ``(n_past,)``.

    Parameters
    ----------
    times_ms
        When they happened, oldest first.
    """
    n = times_ms.shape[0]
    out = np.empty(n, np.float32)
    total = 0.0
    for lag in range(n):
        pause_ms = abs(times_ms[n - 1] - times_ms[n - 1 - lag])
        near = math.exp(-pause_ms / shape.gap_ms)
        weight = shape.decay**lag * (shape.gap_floor + (1.0 - shape.gap_floor) * near)
        out[lag] = weight
        total += weight * weight
    for lag in range(n):
        out[lag] /= math.sqrt(total)
    return out


@compiled
def _person(inputs: Array, items: NDArray[np.int32], weights: Array) -> Array:
    """Return the vector of whoever has this past, newest first, ``(n_factors,)``."""
    out = np.zeros(inputs.shape[1], np.float32)
    for lag in range(items.shape[0]):
        # As a row: where an index may be below 0, each of its numbers is looked up by itself.
        row, weight = inputs[np.uint32(items[lag])], weights[lag]
        for d in range(out.shape[0]):
            out[d] += weight * row[d]
    return out


@compiled
def learn(
    vectors: Vectors,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    item: int,
    strength: float,
    replays: int,
    done: tuple[int, int, int],
) -> int:
    """Teach a like after a past, and old lessons beside it; put the lesson into its ring.

    Parameters
    ----------
    items, times_ms
        The past, oldest first, ``(n_past,)``.
    replays
        How many old lessons.
    done
        How many likes, lessons and lots there were before.

    Returns
    -------
    How many lots there were by then.
    """
    model, rings, shape = vectors.model, vectors.rings, vectors.shape
    likes, lessons, lots = done
    latest = rings.latest[:likes]
    newest_first = items[::-1].copy()
    weights = _weigh(times_ms, shape)
    lots = _step(model, latest, rings.counts, shape, newest_first, weights, item, strength, lots)
    n_kept = min(lessons, rings.sizes.shape[0])
    for _ in range(replays if n_kept > 0 else 0):
        row = _lot(shape.seed, lots, n_kept)
        size = rings.sizes[row]
        lots = _step(
            model,
            latest,
            rings.counts,
            shape,
            rings.items[row, :size],
            rings.weights[row, :size],
            rings.targets[row],
            1.0,
            lots + 1,
        )
    row = lessons % rings.sizes.shape[0]
    n = newest_first.shape[0]
    rings.items[row, :n] = newest_first
    rings.weights[row, :n] = weights
    rings.sizes[row] = n
    rings.targets[row] = item
    return lots


@compiled
def _step(
    model: Model,
    latest: NDArray[np.int32],
    counts: NDArray[np.int32],
    shape: Shape,
    items: NDArray[np.int32],
    weights: Array,
    item: int,
    strength: float,
    lots: int,
) -> int:
    """Make one step of AdaGrad for a like after a past; returns how many lots were drawn."""
    n_factors = model.inputs.shape[1]
    vector = _person(model.inputs, items, weights)
    chosen = np.empty(shape.negatives + 1, np.int32)
    logits = np.empty(shape.negatives + 1)
    chosen[0] = item
    n = 1
    for _ in range(shape.negatives):
        other = latest[_lot(shape.seed, lots, latest.shape[0])]
        lots += 1
        if other != item:
            chosen[n] = other
            n += 1
    largest = -math.inf
    for i in range(n):
        # What is drawn often is held against often: without this, the popular would be disliked.
        drawn = max(counts[chosen[i]], 1) / latest.shape[0]
        logits[i] = affinity(vector, model.outputs, chosen[i]) - math.log(drawn)
        largest = max(largest, logits[i])
    mass = 0.0
    for i in range(n):
        logits[i] = math.exp(logits[i] - largest)
        mass += logits[i]
    back = np.zeros(n_factors, np.float32)
    for i in range(n):
        target = 1.0 if i == 0 else 0.0
        slope = np.float32(strength * (logits[i] / mass - target))
        if abs(slope) < _FLAT:
            continue
        for d in range(n_factors):
            back[d] += slope * model.outputs[chosen[i], d]
        _descend(model.outputs, model.output_squares, chosen[i], slope, vector, shape.rate)
    for lag in range(items.shape[0]):
        _descend(model.inputs, model.input_squares, items[lag], weights[lag], back, shape.rate)
    return lots


@compiled
def _descend(
    vectors: Array, squares: Array, row: int, slope: np.float32, along: Array, rate: float
) -> None:
    """Move a row against ``slope * along``."""
    for d in range(along.shape[0]):
        step = slope * along[d]
        squares[row, d] += step * step
        vectors[row, d] -= np.float32(rate) * step / np.sqrt(squares[row, d] + np.float32(1e-6))


class Near(NamedTuple):
    """What an index has found.

    Attributes
    ----------
    found
        Whether one was asked; without one, all items are scanned.
    """

    found: bool
    items: NDArray[np.int32]


@compiled
def person(vectors: Vectors, question: Question) -> Array:
    """Return the vector of whoever has this past, ``(n_factors,)``."""
    shape = vectors.shape
    items, times_ms = question.items[-shape.history :], question.times_ms[-shape.history :]
    return _person(vectors.model.inputs, items[::-1].copy(), _weigh(times_ms, shape))


@compiled
def propose(vectors: Vectors, question: Question, near: Near, pool: Scratch) -> None:
    """Add the items that the person points to most to a pool."""
    vectors.asked[0] = question.items.shape[0] > 0
    if not vectors.asked[0]:
        return
    vectors.latest[:] = person(vectors, question)
    vectors.scanned[0] = not near.found
    if near.found:
        add_items(pool, near.items)
    else:
        outputs, leaders, products = vectors.model.outputs, vectors.shape.leaders, vectors.products
        add_items(pool, scan_into(vectors.latest, outputs, question.allowed, leaders, products))


@compiled
def score(vectors: Vectors, pool: Scratch, column: int) -> None:
    """Fill a column of the pool with ``exp(affinity)``."""
    if not vectors.asked[0]:
        return
    scores, proposed = pool.scores[column, : pool.size[0]], pool.proposed
    vector, outputs, products = vectors.latest, vectors.model.outputs, vectors.products
    if vectors.scanned[0]:
        for i in range(scores.shape[0]):
            scores[i] = products[np.uint32(proposed[i])]
    else:
        for i in range(scores.shape[0]):
            scores[i] = affinity(vector, outputs, proposed[i])
    for i in range(scores.shape[0]):
        scores[i] = math.exp(min(max(float(scores[i]), -_FAR), _FAR))
