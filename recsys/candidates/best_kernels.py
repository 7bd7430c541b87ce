"""The best of many scores: compiled loops that avoid branches which would be mispredicted."""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled

__all__ = ["BLOCK", "collect", "insert", "largest", "take_best"]

BLOCK = 4096
"""Scores that are made before the best of them are looked for: they fit into the nearest cache."""
_PARTS = 64
"""Parts of a block whose maxima tell how good the best must be."""
_COMPARED = 128
"""So many, beside a full list, are compared with each other; of more, the worst leave first."""


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
    # As rows: where a sum is an index, it may be below 0 as far as the compiler knows, and nothing
    # is looked at side by side.
    n_rows = scores.shape[0] // _PARTS
    rows = scores[: n_rows * _PARTS].reshape((n_rows, _PARTS))
    for row in range(n_rows):
        for part in range(_PARTS):
            score = rows[row, part]
            maxima[part] = score if score > maxima[part] else maxima[part]
    bar = np.float32(np.inf)
    for part in range(_PARTS):
        better = 0
        most = maxima[part]
        for other in range(_PARTS):
            better += maxima[other] > most
        if better < n:
            bar = min(bar, most)
    return bar


@compiled
def _marked(marks: NDArray[np.uint8], places: NDArray[np.int32], n: int) -> int:
    """Write where the marks are 1 behind the first ``n`` places; returns how many there are.

    Parameters
    ----------
    marks
        Each 1 or 0, ``(n_marks,)``, a multiple of eight.
    places
        With room for as many as are marked, and seven more.
    """
    # Of most eight that stand together none is.
    eights = marks.view(np.uint64)
    for eight in range(eights.shape[0]):
        bits = eights[eight]
        if bits == 0:
            continue
        for place in range(8):
            places[n] = 8 * eight + place
            n += (bits >> np.uint64(8 * place)) & np.uint64(1)
    return n


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
    found = np.empty(n + size + 8, np.int32)
    worth = np.empty(n + size + 8, np.float32)
    found[:n], worth[:n] = items[:n], best[:n]
    reached = np.zeros((size + 7) // 8 * 8, np.uint8)
    for i in range(size):
        reached[i] = (scores[i] >= least) & (scores[i] > -np.inf)
    n_found = _marked(reached, found, n)
    for i in range(n, n_found):
        worth[i] = scores[found[i]]
        found[i] += first
    if n_found > full + _COMPARED:
        n_found = _narrow(found[:n_found], worth[:n_found], full)
    return _order(found[:n_found], worth[:n_found], items, best)


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
def _order(
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
def collect(
    proposed: NDArray[np.int32],
    worth: NDArray[np.float32],
    items: NDArray[np.int32],
    best: NDArray[np.float32],
) -> int:
    """Write the best of some items that are worth more than 0, as ``_order``."""
    least = _bar(worth, items.shape[0])
    found = np.empty(proposed.shape[0] + 1, np.int32)
    score = np.empty(proposed.shape[0] + 1, np.float32)
    n_found = 0
    for i in range(proposed.shape[0]):
        found[n_found] = proposed[i]
        score[n_found] = worth[i]
        n_found += (worth[i] > 0.0) & (worth[i] >= least)
    n: int = _order(found[:n_found], score[:n_found], items, best)
    return n


@compiled
def largest(values: NDArray[np.float32], shown: NDArray[np.float32]) -> np.float32:
    """Return the largest value over 0 of those that are shown (1, others 0), or 0; NaN is none."""
    over = np.empty(values.shape[0] + 1, np.float32)
    for i in range(values.shape[0]):
        value = values[i] * shown[i]
        over[i] = value if value > 0.0 else np.float32(0.0)
    # Numbers over 0 are in the order of their bits. Of integers the compiler knows that it does not
    # matter in which order they are compared, and takes many at a time.
    bits = over.view(np.int32)
    most = np.int32(0)
    for i in range(values.shape[0]):
        most = max(most, bits[i])
    bits[-1] = most
    result: np.float32 = over[-1]
    return result
