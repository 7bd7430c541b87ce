"""The inner loops of ``recsys.recommend``: what Python and numpy would do in several steps each."""

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.pool import Cut
from recsys.compiled import compiled
from recsys.features.facts import Facts, Moment
from recsys.features.rows import halve, write
from recsys.learners.listwise_net import Net, judge
from recsys.learners.taste_kernels import Known
from recsys.policies.slate_kernels import all_finite, squarecb_slots, uniforms

__all__ = ["make", "trust"]


@compiled
def trust(
    scores: NDArray[np.float64],
    share: float,
    numeric: NDArray[np.float32],
    deviation: int,
    width: float,
) -> None:
    """Multiply scores by the share that is believed, and add the optimism about each candidate.

    Parameters
    ----------
    numeric
        Features, ``(n_candidates, n_columns)``; ``deviation`` is the column of the personal
        bandit's, negative where there is none.
    width
        How many deviations are added.
    """
    for i in range(scores.shape[0]):
        scores[i] *= share
        if deviation >= 0:
            scores[i] += width * numeric[i, deviation]


@compiled
def make(
    net: Net,
    scale: float,
    share: float,
    deviation: int,
    width: float,
    gamma: float,
    seed: np.uint64,
    n_slots: int,
    facts: Facts,
    n_common: int,
    n_all: int,
    n_shared: int,
    items: NDArray[np.int32],
    mixed: NDArray[np.float32],
    largest: NDArray[np.float32],
    places: NDArray[np.int32],
    pooled: NDArray[np.int32],
    table: NDArray[np.float64],
    lessons: int,
    keep: float,
    base: float,
    times_ms: NDArray[np.int64],
    seen: NDArray[np.int32],
    tokens: NDArray[np.int64],
    ts_ms: int,
    last_liked: float,
    clicks: float,
    shown: float,
    base_rate: float,
    n_pool: int,
    list_size: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint16]]:
    """Make a list of a cut: describe it, score it with the listwise ranker, draw with SquareCB.

    Parameters
    ----------
    net, scale
        See ``recsys.learners.listwise_net.judge``.
    share, deviation, width
        See ``trust``.
    gamma, seed
        See ``recsys.policies.slate_kernels.squarecb_slots`` and ``uniforms``.
    n_slots
        At most as many as items.
    facts, ..., list_size
        See ``recsys.features.rows.describe``.

    Returns
    -------
    Places in the cut, their probabilities and scores, ``(n_slots,)``, and the bits of the features
    as float16: rows of what was drawn, one after the other, then those of the request. None of all
    that when a score is not finite.
    """
    cut = Cut(items, mixed, largest, places, pooled)
    moment = Moment(
        times_ms, seen, tokens, ts_ms, last_liked, clicks, shown, base_rate, n_pool, list_size
    )
    known = Known(table, lessons, keep)
    # What is scored is what is logged.
    values, halves = halve(write(facts, n_common, n_all, n_shared, cut, known, base, moment))
    end = items.shape[0] * n_all
    rows = values[:end].reshape((items.shape[0], n_all))
    scores = judge(net, rows, values[end:].reshape((1, n_shared)), scale)
    trust(scores, share, rows, deviation, width)
    if not all_finite(scores):
        nothing = np.empty(0, np.float64)
        return np.empty(0, np.int64), nothing, nothing, np.empty(0, np.uint16)
    lots, propensities = np.empty(n_slots), np.empty(n_slots)
    chosen, drawn = np.empty(n_slots, np.int64), np.empty(n_slots)
    uniforms(seed, lots)
    squarecb_slots(scores, gamma, lots, chosen, propensities)
    logged = np.empty(n_slots * n_all + n_shared, np.uint16)
    for slot in range(n_slots):
        place = chosen[slot]
        drawn[slot] = scores[place]
        propensities[slot] = min(propensities[slot], 1.0)
        logged[slot * n_all : (slot + 1) * n_all] = halves[place * n_all : (place + 1) * n_all]
    logged[n_slots * n_all :] = halves[end:]
    return chosen, propensities, drawn, logged
