"""The inner loops of lists that are drawn one slot after the other."""

import math

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled

__all__ = ["all_finite", "squarecb_slots", "uniforms"]


@compiled
def all_finite(scores: NDArray[np.float64]) -> bool:
    """Return whether no score is infinite or NaN, ``(n_candidates,)``."""
    finite = True
    for i in range(scores.shape[0]):
        finite &= math.isfinite(scores[i])
    return finite


@compiled
def uniforms(seed: np.uint64, out: NDArray[np.float64]) -> None:
    """Fill with numbers in [0, 1), by SplitMix64 (Steele, Lea & Flood 2014).

    To seed one of numpy's generators takes longer than to draw a list.
    """
    for i in range(out.shape[0]):
        z = seed + np.uint64(i + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        out[i] = float((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@compiled
def squarecb_slots(
    scores: NDArray[np.float64],
    gamma: float,
    lots: NDArray[np.float64],
    chosen: NDArray[np.int64],
    propensities: NDArray[np.float64],
) -> None:
    """Draw ``len(lots)`` slots, each by inverse gap weighting among what the ones above left.

    Parameters
    ----------
    scores
        Finite, shape ``(n_candidates,)``; at least as many as lots.
    lots
        One in [0, 1) per slot, ``(n_slots,)``.
    chosen, propensities
        Filled with places in ``scores`` and their probability given those above, ``(n_slots,)``.
    """
    left = scores.copy()
    places = np.arange(scores.shape[0])
    chances = np.empty(scores.shape[0])
    ladder = np.empty(scores.shape[0])
    for slot in range(lots.shape[0]):
        n = scores.shape[0] - slot
        best = 0
        for i in range(1, n):
            if left[i] > left[best]:
                best = i
        # A gap may overflow to inf, whose inverse is the 0 that is meant.
        top = left[best]
        for i in range(n):
            chances[i] = 1.0 / (n + gamma * (top - left[i]))
        chances[best] = 0.0
        others = 0.0
        for i in range(n):
            others += chances[i]
        chances[best] = 1.0 - others
        height = 0.0
        for i in range(n):
            height += chances[i]
            ladder[i] = height
        # A lot lies below 1, so the product lies below the top; a step of height 0 is skipped.
        pick = 0
        while pick < n - 1 and ladder[pick] <= lots[slot] * ladder[n - 1]:
            pick += 1
        chosen[slot] = places[pick]
        propensities[slot] = chances[pick]
        for i in range(pick, n - 1):
            left[i] = left[i + 1]
            places[i] = places[i + 1]
