"""The inner loops of ``recsys.learners.ftrl``: hashing, scores, and one step of FTRL-Proximal.

All weights lie in one vector: first those of hashed features, ``2^bits``, of which the second half
belongs to crossings with a person; then one of each numeric feature, then one of each place in a
list. A weight follows from two sums, so that it is kept only to be read quickly.

A hashed feature is a token (the item's id, or one of its attributes), or a token together with the
person or with an entry of the context. Its place is the top bits of a product (Dietzfelbinger et
al. 1997): tokens and partners are hashes of names already.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled
from recsys.learners.listwise_net import observe, standardise

__all__ = ["Lesson", "Model", "Request", "Step", "Tokens", "hold", "learn", "score"]

_TRACE = 1e-12
_ALONE = 1
"""Stands for a token's partner where it has none."""


class Model(NamedTuple):
    """What was learned; the first three of shape ``(2^bits + n_columns + n_places,)``.

    Attributes
    ----------
    pulls
        FTRL's z: the sum of all slopes, less what keeps the weights where they are.
    squares
        FTRL's n: the sum of all squared slopes.
    mean, variance
        By which numeric features are standardised, shape ``(n_columns,)``.
    """

    weights: NDArray[np.float32]
    pulls: NDArray[np.float32]
    squares: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]


class Tokens(NamedTuple):
    """What the items are called.

    Attributes
    ----------
    items
        Hash of each item's id, shape ``(n_items or more,)``.
    attributes
        Attribute tokens of each item, then -1, shape ``(n_items, ATTRIBUTE_COLUMNS)``.
    hashes
        Hash of each attribute token, shape ``(n_tokens or more,)``.
    unknown
        Stands for the id of an item that the catalogue lacks.
    """

    items: NDArray[np.int64]
    attributes: NDArray[np.int32]
    hashes: NDArray[np.int64]
    unknown: int


class Request(NamedTuple):
    """Who asks: hash of the user id, and hashes of the context, shape ``(n_entries,)``."""

    user: int
    context: NDArray[np.int64]


class Lesson(NamedTuple):
    """What one shown item earned.

    Attributes
    ----------
    row
        Numeric features as served, shape ``(n_columns,)``; another shape says nothing.
    position
        Which of the weights of places in a list.
    importance
        How often it counts.
    """

    item: int
    row: NDArray[np.float32]
    position: int
    reward: float
    importance: float


class Step(NamedTuple):
    """How far one lesson goes; ``l1`` and ``l2`` are what weights cost."""

    rate: float
    beta: float
    l1: float
    l2: float


@compiled
def _place(token: int, partner: int, shift: int) -> int:
    """Return the hashed place of a pair, below ``2^(64 - shift)``."""
    mixed = np.uint64(token) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    mixed = (mixed + np.uint64(partner)) * np.uint64(0xD6E8FEB86659FD93)
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    return int(np.int64(mixed >> np.uint64(shift)))


@compiled
def _fill(places: NDArray[np.int64], item: int, tokens: Tokens, request: Request, bits: int) -> int:
    """Write the places of an item's hashed features; returns how many there are.

    Parameters
    ----------
    places
        Shape ``(most,)``, long enough for ``(1 + ATTRIBUTE_COLUMNS) * (2 + n_entries)``.
    """
    half = 1 << (bits - 1)
    shift = 65 - bits
    context = request.context
    n = 0
    for column in range(-1, tokens.attributes.shape[1]):
        if column < 0:
            token = tokens.items[item] if item >= 0 else tokens.unknown
        elif item < 0 or tokens.attributes[item, column] < 0:
            break
        else:
            token = tokens.hashes[tokens.attributes[item, column]]
        places[n] = _place(token, _ALONE, shift)
        n += 1
        for entry in range(context.shape[0]):
            places[n] = _place(token, context[entry], shift)
            n += 1
        if column >= 0:
            places[n] = half + _place(token, request.user, shift)
            n += 1
    return n


@compiled
def score(
    model: Model,
    bits: int,
    items: NDArray[np.int32],
    rows: NDArray[np.float32],
    tokens: Tokens,
    request: Request,
) -> NDArray[np.float64]:
    """Return the expected reward of each candidate, shape ``(n_candidates,)``.

    Parameters
    ----------
    rows
        Numeric features as served, shape ``(n_candidates, n_columns)``.
    """
    n_columns = rows.shape[1]
    weights = model.weights
    of_rows = weights[1 << bits : (1 << bits) + n_columns]
    standard = standardise(rows, model.mean, model.variance, 0)
    most = (1 + tokens.attributes.shape[1]) * (2 + request.context.shape[0])
    places = np.empty(most, np.int64)
    out = np.empty(items.shape[0], np.float64)
    for i in range(items.shape[0]):
        n = _fill(places, items[i], tokens, request, bits)
        total = np.float32(0.0)
        for k in range(n):
            total += weights[places[k]]
        for d in range(n_columns):
            total += of_rows[d] * standard[i, d]
        out[i] = total
    return out


@compiled
def hold(model: Model, places: NDArray[np.int64], step: Step) -> None:
    """Let weights that were set stay what they are: set the pulls that stand for them.

    A weight that was never moved by a lesson is given a square, so that a snapshot knows it.
    """
    for k in range(places.shape[0]):
        place = places[k]
        square = max(model.squares[place], np.float32(_TRACE))
        weight = model.weights[place]
        pull = -weight * ((step.beta + math.sqrt(square)) / step.rate + step.l2)
        if weight > 0.0:
            pull -= step.l1
        elif weight < 0.0:
            pull += step.l1
        model.squares[place] = square
        model.pulls[place] = pull


@compiled
def _weigh(pull: np.float32, square: np.float32, step: Step) -> float:
    """Return the weight that two sums stand for (McMahan et al. 2013, algorithm 1)."""
    if abs(pull) <= step.l1:
        return 0.0
    beyond = float(pull) - step.l1 if pull > 0.0 else float(pull) + step.l1
    return -beyond / ((step.beta + math.sqrt(square)) / step.rate + step.l2)


@compiled
def _move(model: Model, place: int, slope: float, step: Step) -> None:
    former = model.squares[place]
    square = np.float32(former + slope * slope)
    stay = (math.sqrt(square) - math.sqrt(former)) / step.rate
    pull = np.float32(model.pulls[place] + slope - stay * model.weights[place])
    model.squares[place] = square
    model.pulls[place] = pull
    model.weights[place] = _weigh(pull, square, step)


@compiled
def _is_readable(row: NDArray[np.float32], n_columns: int) -> bool:
    total = np.float32(0.0)
    for d in range(row.shape[0]):
        total += row[d]
    return row.shape[0] == n_columns and math.isfinite(total)


@compiled
def learn(
    model: Model,
    bits: int,
    lesson: Lesson,
    tokens: Tokens,
    request: Request,
    step: Step,
    n_rows: int,
) -> int:
    """Take in a lesson: a step down the squared error.

    Parameters
    ----------
    n_rows
        How many rows of features have been learned.

    Returns
    -------
    How many there are now; features that cannot be read are left out.
    """
    n_columns = model.mean.shape[0]
    readable = _is_readable(lesson.row, n_columns)
    row = lesson.row[: n_columns if readable else 0].reshape((1, -1))
    inputs = standardise(row, model.mean, model.variance, 0)[0]
    first = 1 << bits
    most = (1 + tokens.attributes.shape[1]) * (2 + request.context.shape[0])
    places = np.empty(most, np.int64)
    n = _fill(places, lesson.item, tokens, request, bits)
    position = first + n_columns + lesson.position
    expected = model.weights[position]
    for k in range(n):
        expected += model.weights[places[k]]
    for d in range(inputs.shape[0]):
        expected += model.weights[first + d] * inputs[d]
    slope = lesson.importance * (expected - lesson.reward)
    for k in range(n):
        _move(model, places[k], slope, step)
    for d in range(inputs.shape[0]):
        _move(model, first + d, slope * inputs[d], step)
    _move(model, position, slope, step)
    if readable:
        n_rows += 1
        observe(row, model.mean, model.variance, 0, n_rows)
    return n_rows
