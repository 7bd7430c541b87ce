"""What features are made from, as compiled code takes it: see ``recsys.features.rows``."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.held import holder
from recsys.learners.taste_kernels import Posterior

__all__ = ["Facts", "Moment", "hold_facts"]


class Facts(NamedTuple):
    """What is known of items; arrays of shape ``(n_items or more, ...)`` if nothing else is said.

    Attributes
    ----------
    scores
        Of the sources, see ``recsys.candidates.pool``.
    shown
        How often, see ``recsys.features.counts``.
    averaged
        How many likes went into the usual pause and depth.
    item_counts, item_last_ms, attribute_counts, attribute_last_ms, crossed_counts, crossed_last_ms
        See ``recsys.features.windows``; by item, by attribute, and by item and context hashed.
    half_lives_ms
        Of the windows of items and attributes, ``(n_windows,)``.
    n_crossings
        Rows of the last two that are in use.
    posterior
        Of the personal bandit, if there is one.
    """

    scores: NDArray[np.float32]
    created_ms: NDArray[np.int64]
    attributes: NDArray[np.int32]
    log_liked: NDArray[np.float64]
    shown: NDArray[np.float64]
    last_liked_ms: NDArray[np.int64]
    usual_pause: NDArray[np.float32]
    usual_depth: NDArray[np.float32]
    averaged: NDArray[np.float32]
    item_counts: NDArray[np.float32]
    item_last_ms: NDArray[np.int64]
    attribute_counts: NDArray[np.float32]
    attribute_last_ms: NDArray[np.int64]
    crossed_counts: NDArray[np.float32]
    crossed_last_ms: NDArray[np.int64]
    half_lives_ms: NDArray[np.float64]
    crossed_half_life_ms: float
    n_crossings: int
    posterior: Posterior | None


hold_facts = holder(Facts)


class Moment(NamedTuple):
    """Who asks, and for what.

    Attributes
    ----------
    times_ms
        Of the person's likes, oldest first, ``(n_past,)``.
    seen
        How often they were shown items, see ``recsys.past.Seen``, ``(2, n_seen)``.
    tokens
        Hashes of the context and of the list's length, ``(n_tokens,)``.
    last_liked
        ``log(1 + likes)`` of the item that they liked last.
    clicks, shown
        Of the person.
    base
        The average share of slots that are clicked.
    n_pool, list_size
        How many items were proposed, and how many will be shown.
    """

    times_ms: NDArray[np.int64]
    seen: NDArray[np.int32]
    tokens: NDArray[np.int64]
    ts_ms: int
    last_liked: float
    clicks: float
    shown: float
    base: float
    n_pool: int
    list_size: int
