"""The inner loops of ``recsys.learners.personal_bandit``; its docstring has the formulas."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled
from recsys.held import holder
from recsys.tastes import LEFT, MEAN, TOKEN, TOUCHED, Tastes

__all__ = [
    "NOTHING_KNOWN",
    "TASTE_COLUMNS",
    "Known",
    "Posterior",
    "describe",
    "hold_posterior",
    "optimistic",
]

TASTE_COLUMNS = 3
"""Mean, deviation and lift."""


class Known(NamedTuple):
    """A person's tastes, see ``recsys.tastes.Tastes``, and what brings them to now."""

    table: NDArray[np.float64]
    lessons: int
    keep: float


NOTHING_KNOWN = Known(Tastes().table, 0, 1.0)


class Posterior(NamedTuple):
    """What all people's tastes have in common.

    Attributes
    ----------
    attributes
        Of items, ``(n_items or more, n_columns)``.
    places
        Of each token's prior, ``(n_tokens or more,)``.
    priors
        Variances, ``(n_places or more,)``.
    by_token
        Scratch, 0 before and after, ``(n_tokens or more, 2)``.
    """

    attributes: NDArray[np.int32]
    places: NDArray[np.int32]
    priors: NDArray[np.float64]
    by_token: NDArray[np.float64]


hold_posterior = holder(Posterior)


@compiled
def _spread(known: Known, by_token: NDArray[np.float64]) -> None:
    """Write means and shares that are known, as of now, into a table, ``(n_tokens, 2)``."""
    table = known.table
    for i in range(table.shape[1]):
        token = int(table[TOKEN, i])
        kept = known.keep ** (known.lessons - int(table[TOUCHED, i]))
        by_token[token, 0] = table[MEAN, i] * kept
        by_token[token, 1] = (1.0 - table[LEFT, i]) * kept**2


@compiled
def _wipe(known: Known, by_token: NDArray[np.float64]) -> None:
    """Leave nothing behind: it would be the next person's taste."""
    for i in range(known.table.shape[1]):
        token = int(known.table[TOKEN, i])
        by_token[token, 0] = 0.0
        by_token[token, 1] = 0.0


@compiled
def _sum_up(
    attributes: NDArray[np.int32],
    item: int,
    places: NDArray[np.int32],
    priors: NDArray[np.float64],
    by_token: NDArray[np.float64],
) -> tuple[float, float]:
    """Return mean and variance of the person's part of an item."""
    total = 0.0
    spread = 0.0
    count = 0
    for column in range(attributes.shape[1]):
        token = attributes[item, column]
        if token < 0:
            break
        total += by_token[token, 0]
        spread += priors[places[token]] * (1.0 - by_token[token, 1])
        count += 1
    if count == 0:
        return 0.0, 0.0
    return total / math.sqrt(count), spread / count


@compiled
def describe(
    posterior: Posterior,
    known: Known,
    items: NDArray[np.int32],
    base: float,
    rows: NDArray[np.float32],
    first: int,
) -> None:
    """Write mean, deviation and lift of each item into the columns from ``first`` on."""
    attributes, places, priors = posterior.attributes, posterior.places, posterior.priors
    by_token = posterior.by_token
    _spread(known, by_token)
    for i in range(items.shape[0]):
        mean, variance = 0.0, 0.0
        if items[i] >= 0:
            mean, variance = _sum_up(attributes, items[i], places, priors, by_token)
        rows[i, first] = mean
        rows[i, first + 1] = math.sqrt(variance)
        rows[i, first + 2] = math.log(max(base + mean, 0.1 * base) / base)
    _wipe(known, by_token)


@compiled
def optimistic(
    posterior: Posterior,
    known: Known,
    sets: NDArray[np.int32],
    optimism: float,
    out: NDArray[np.float32],
) -> None:
    """Write ``max(mean + optimism * deviation, 0)`` of each set of attributes."""
    by_token, places, priors = posterior.by_token, posterior.places, posterior.priors
    _spread(known, by_token)
    # What ``_sum_up`` looks up, once per token instead of once per token of every set.
    n_tokens = min(by_token.shape[0], places.shape[0])
    tastes = np.empty((n_tokens, 2))
    for token in range(n_tokens):
        tastes[token, 0] = by_token[token, 0]
        tastes[token, 1] = priors[places[token]] * (1.0 - by_token[token, 1])
    _wipe(known, by_token)
    for number in range(sets.shape[0]):
        total = 0.0
        spread = 0.0
        count = 0
        for column in range(sets.shape[1]):
            token = sets[number, column]
            if token < 0:
                break
            total += tastes[token, 0]
            spread += tastes[token, 1]
            count += 1
        best = total + optimism * math.sqrt(spread)
        out[number] = max(best, 0.0) / math.sqrt(max(count, 1))
