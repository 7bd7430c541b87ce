"""The steps of the filter of ``recsys.learners.personal_bandit``, and what all learn from them.

Its docstring has the formulas of the filter, that of ``recsys.learners.taste_priors`` those of
priors, base and noise. A list is learned in one call, slot after slot, each from what the one
before has left.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import in_order
from recsys.held import holder
from recsys.tastes import LEFT, MEAN, TOKEN, TOUCHED

__all__ = [
    "BASE",
    "COUNT",
    "KNOWN",
    "NOISE",
    "REWARDS",
    "SQUARES",
    "UNEXPLAINED",
    "Crowd",
    "Lessons",
    "hold_crowd",
    "hold_lessons",
    "learn",
    "settle",
]

REWARDS, COUNT, UNEXPLAINED = 0, 1, 2
"""Places in ``Crowd.sums``."""
BASE, NOISE = 0, 1
"""Places in ``Crowd.levels``."""
SQUARES, KNOWN = 0, 1
"""Columns of ``Crowd.fields``."""

_FIRST_KNOWN = 50.0
"""Evidence, in tastes that are fully known, that the setting of the prior stands for."""
_FIRST_SLOTS = 100.0
"""Shown slots that the settings of base and noise stand for."""
_FIRST_BASE = 0.05
_LEAST = 1e-3
"""Neither base, prior nor noise becomes a smaller share of what it starts at."""


class Crowd(NamedTuple):
    """What everybody's tastes add up to, and what follows from it.

    Attributes
    ----------
    sums
        Over shown slots: their rewards, how many they were, and the squares that nothing but noise
        explains.
    fields
        Of each attribute: squares of the means, and shares of the prior's variance that were gone,
        ``(n_places or more, 2)``.
    ranks
        Which of the attributes that anything was learned about came first, from 1 on; 0 of the
        others, ``(n_places or more,)``.
    levels
        Base and noise.
    priors
        Variances, ``(n_places or more,)``.
    places
        Of each token's attribute, ``(n_tokens or more,)``.
    prior_variance, noise_variance, adapt, caution
        See ``recsys.settings.PersonalBanditSettings``.
    """

    sums: NDArray[np.float64]
    fields: NDArray[np.float64]
    ranks: NDArray[np.int64]
    levels: NDArray[np.float64]
    priors: NDArray[np.float64]
    places: NDArray[np.int32]
    prior_variance: float
    noise_variance: float
    adapt: bool
    caution: float


class Lessons(NamedTuple):
    """All that a lesson needs besides the person.

    Attributes
    ----------
    attributes
        Of items, ``(n_items or more, n_columns)``.
    keep
        What is left of a taste from one lesson to the next.
    bound
        How many tastes a person has at most.
    """

    attributes: NDArray[np.int32]
    crowd: Crowd
    keep: float
    bound: int


hold_crowd = holder(Crowd)
hold_lessons = holder(Lessons)


@in_order
def _set_levels(crowd: Crowd) -> None:
    """Draw base and noise towards what they start at, by a hundred slots.

    Dislikes may outweigh all else, but lifts are shares of the base: it stays above 0.
    """
    sums, levels, noise_variance = crowd.sums, crowd.levels, crowd.noise_variance
    slots = sums[COUNT] + _FIRST_SLOTS
    base = (sums[REWARDS] + _FIRST_BASE * _FIRST_SLOTS) / slots
    levels[BASE] = max(base, _LEAST * _FIRST_BASE)
    noise = (crowd.caution * sums[UNEXPLAINED] + noise_variance * _FIRST_SLOTS) / slots
    levels[NOISE] = max(noise, _LEAST * noise_variance) if crowd.adapt else noise_variance


@in_order
def _set_prior(crowd: Crowd, place: int) -> None:
    fields, prior_variance = crowd.fields, crowd.prior_variance
    crowd.priors[place] = prior_variance
    if crowd.adapt and crowd.ranks[place] > 0:
        squares = fields[place, SQUARES] + prior_variance * _FIRST_KNOWN
        learned = squares / (fields[place, KNOWN] + _FIRST_KNOWN)
        crowd.priors[place] = max(learned, _LEAST * prior_variance)


@in_order
def settle(crowd: Crowd) -> None:
    """Have base, noise and priors follow from the sums."""
    _set_levels(crowd)
    for place in range(crowd.priors.shape[0]):
        _set_prior(crowd, place)


@in_order
def _find(tastes: NDArray[np.float64], n: int, token: int) -> int:
    """Return in which of the first ``n`` columns a token stands, ``n`` when in none."""
    column = 0
    while column < n and tastes[TOKEN, column] != token:
        column += 1
    return column


@in_order
def _take_step(
    lessons: Lessons,
    tastes: NDArray[np.float64],
    n: int,
    now: int,
    tokens: NDArray[np.int32],
    residual: float,
) -> tuple[int, float]:
    """Take a step of the filter.

    Returns
    -------
    How many tastes there are now, and the square that nothing but noise explains.
    """
    priors, places = lessons.crowd.priors, lessons.crowd.places
    columns = np.empty(tokens.shape[0], np.int64)
    x = 1.0 / math.sqrt(float(tokens.shape[0]))
    prediction = 0.0
    spread = 0.0
    for i in range(tokens.shape[0]):
        column = _find(tastes, n, tokens[i])
        if column == n:
            tastes[TOKEN, column], tastes[MEAN, column] = tokens[i], 0.0
            tastes[LEFT, column], tastes[TOUCHED, column] = 1.0, now
            n += 1
        kept = lessons.keep ** (float(now) - tastes[TOUCHED, column])
        tastes[MEAN, column] *= kept
        tastes[LEFT, column] = 1.0 - (1.0 - tastes[LEFT, column]) * (kept * kept)
        tastes[TOUCHED, column] = now
        prediction += tastes[MEAN, column] * x
        spread += x * x * priors[places[tokens[i]]] * tastes[LEFT, column]
        columns[i] = column
    error = residual - prediction
    total = lessons.crowd.levels[NOISE] + spread
    for i in range(tokens.shape[0]):
        unknown = tastes[LEFT, columns[i]]
        gain = priors[places[tokens[i]]] * unknown * x / total
        tastes[MEAN, columns[i]] += gain * error
        tastes[LEFT, columns[i]] = unknown - gain * unknown * x
    return n, error * error - spread


@in_order
def _give_up(tastes: NDArray[np.float64], n: int, bound: int, now: int) -> int:
    """Drop the vaguest tastes above the bound; returns how many are left.

    What was touched just now is vague because it is new: it must be able to stay.
    """
    while n > bound:
        worst = 0
        for column in range(1, n):
            fresh, worst_fresh = tastes[TOUCHED, column] == now, tastes[TOUCHED, worst] == now
            left, worst_left = tastes[LEFT, column], tastes[LEFT, worst]
            if fresh != worst_fresh:
                worse = worst_fresh
            elif left != worst_left:
                worse = left > worst_left
            else:
                worse = tastes[TOKEN, column] < tastes[TOKEN, worst]
            if worse:
                worst = column
        n -= 1
        for row in range(tastes.shape[0]):
            for column in range(worst, n):
                tastes[row, column] = tastes[row, column + 1]
    return n


@in_order
def _teach_crowd(
    crowd: Crowd,
    tastes: NDArray[np.float64],
    n: int,
    tokens: NDArray[np.int32],
    reward: float,
    unexplained: float,
) -> None:
    """Add a lesson on a shown item to what all know, after the person has learned it."""
    crowd.sums[REWARDS] += reward
    crowd.sums[COUNT] += 1.0
    crowd.sums[UNEXPLAINED] += unexplained
    _set_levels(crowd)
    for i in range(tokens.shape[0]):
        column = _find(tastes, n, tokens[i])
        if column < n:
            place = crowd.places[tokens[i]]
            if crowd.ranks[place] == 0:
                crowd.ranks[place] = crowd.ranks.max() + 1
            crowd.fields[place, SQUARES] += tastes[MEAN, column] * tastes[MEAN, column]
            crowd.fields[place, KNOWN] += 1.0 - tastes[LEFT, column]
            _set_prior(crowd, place)


@in_order
def learn(
    lessons: Lessons,
    table: NDArray[np.float64],
    number: int,
    items: NDArray[np.int32],
    rewards: NDArray[np.float64],
    shown: bool,
) -> tuple[NDArray[np.float64], int]:
    """Take in what each of some items earned from a person.

    Parameters
    ----------
    table, number
        Of the person, see ``recsys.tastes.Tastes``: columns, and lessons before.
    items, rewards
        In their order, ``(n_items,)``.
    shown
        Whether a list showed them, so that all learn from it.

    Returns
    -------
    The person's new table, and lessons now: an item without attributes is none.
    """
    attributes, n = lessons.attributes, table.shape[1]
    tastes = np.empty((table.shape[0], n + items.shape[0] * attributes.shape[1]))
    tastes[:, :n] = table
    for i in range(items.shape[0]):
        count = 0
        while count < attributes.shape[1] and attributes[items[i], count] >= 0:
            count += 1
        if count == 0:
            continue
        number += 1
        tokens = attributes[items[i], :count]
        reward = min(max(rewards[i], -1.0), 1.0)
        residual = reward - lessons.crowd.levels[BASE]
        n, unexplained = _take_step(lessons, tastes, n, number, tokens, residual)
        n = _give_up(tastes, n, lessons.bound, number)
        if shown:
            _teach_crowd(lessons.crowd, tastes, n, tokens, reward, unexplained)
    learned = np.empty((table.shape[0], n))
    learned[:] = tastes[:, :n]
    return learned, number
