"""The inner loops of ``recsys.candidates.sessions``; its docstring has the formulas."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Question
from recsys.candidates.pool_kernels import Scratch
from recsys.compiled import compiled
from recsys.held import holder

__all__ = ["Postings", "Ring", "Shelves", "hold_shelves", "lengths_of", "propose", "unroll"]

_VANISHED = 1e-6
"""A like that counts less than this ends the walk through the history."""


class Ring(NamedTuple):
    """Sessions by serial number modulo the ring's size.

    Attributes
    ----------
    items
        The likes of a session, ``(n_sessions, length)``.
    sizes
        How many they are, ``(n_sessions,)``.
    """

    items: NDArray[np.int32]
    sizes: NDArray[np.int32]


class Postings(NamedTuple):
    """The latest sessions of each item, a ring per item.

    Attributes
    ----------
    serials
        Serial numbers of sessions, ``(n_items or more, occurrences)``.
    likes
        How many were written ever, ``(n_items or more,)``.
    """

    serials: NDArray[np.int32]
    likes: NDArray[np.int64]


class Shelves(NamedTuple):
    """All that the source knows.

    Attributes
    ----------
    started
        Sessions ever, ``(1,)``.
    history, decay, gap_ms, neighbours
        The settings.
    similarity, found
        Scratch of the ring's size; the former is 0 before and after.
    """

    ring: Ring
    postings: Postings
    started: NDArray[np.int64]
    history: int
    decay: float
    gap_ms: float
    neighbours: int
    similarity: NDArray[np.float32]
    found: NDArray[np.int64]


hold_shelves = holder(Shelves)


@compiled
def lengths_of(
    serials: NDArray[np.int32], likes: NDArray[np.int64], oldest: int
) -> NDArray[np.int32]:
    """Return how many sessions of each item can be found: those after the last one given up."""
    lengths = np.zeros(likes.shape[0], np.int32)
    for item in range(likes.shape[0]):
        for back in range(1, min(likes[item], serials.shape[1]) + 1):
            if serials[item, (likes[item] - back) % serials.shape[1]] < oldest:
                break
            lengths[item] = back
    return lengths


@compiled
def unroll(
    serials: NDArray[np.int32],
    likes: NDArray[np.int64],
    lengths: NDArray[np.int32],
    latest: NDArray[np.int32],
) -> None:
    """Write the sessions of all items one after the other, oldest first."""
    n = 0
    for item in range(lengths.shape[0]):
        for like in range(likes[item] - lengths[item], likes[item]):
            latest[n] = serials[item, like % serials.shape[1]]
            n += 1


@compiled
def propose(shelves: Shelves, question: Question, pool: Scratch, column: int) -> None:
    """Add the items of similar sessions to a pool, scored."""
    ring, postings, started = shelves.ring, shelves.postings, shelves.started[0]
    similarity, found = shelves.similarity, shelves.found
    items, times_ms = question.items[-shelves.history :], question.times_ms[-shelves.history :]
    size = ring.sizes.shape[0]
    occurrences = postings.serials.shape[1]
    newest_row = started % size
    scores, place_of, proposed = pool.scores, pool.place_of, pool.proposed
    count = pool.size[0]
    n_found = 0
    n_past = items.shape[0]
    for lag in range(n_past):
        at = n_past - 1 - lag
        near = shelves.decay**lag
        # Below float32's range a session would look as if it had not been found yet.
        if times_ms[n_past - 1] - times_ms[at] > shelves.gap_ms or near < _VANISHED:
            break
        item = items[at]
        place = postings.likes[item] % occurrences
        for _ in range(min(postings.likes[item], occurrences)):
            place = place - 1 if place > 0 else occurrences - 1
            serial = postings.serials[item, place]
            age = started - serial
            if age > size:
                # Given up for a newer session, like all before it.
                break
            if serial == question.session:
                continue
            row = newest_row - age
            if row < 0:
                row += size
            if similarity[row] == 0.0:
                found[n_found] = row
                n_found += 1
            similarity[row] += near
    for i in range(n_found):
        similarity[found[i]] /= math.sqrt(ring.sizes[found[i]] + 3.0)
    threshold = np.float32(0.0)
    surplus = n_found - shelves.neighbours
    if surplus > 0:
        threshold = np.partition(similarity[found[:n_found]], surplus)[surplus]
    for i in range(n_found):
        row = found[i]
        worth = similarity[row]
        similarity[row] = 0.0
        if worth < threshold:
            continue
        for place in range(ring.sizes[row]):
            item = ring.items[row, place]
            if place_of[item] < 0:
                place_of[item] = count
                proposed[count] = item
                count += 1
            scores[column, place_of[item]] += worth
    pool.size[0] = count
