"""A whole list in one call: see ``recsys.at_once``; and what of it is done in steps as well."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.gather_kernels import CUT, PROPOSE, SCORE, Sources, ask
from recsys.candidates.pool import Cut
from recsys.candidates.pool_kernels import Scratch
from recsys.compiled import compiled
from recsys.features.facts import Facts, Moment
from recsys.features.rows import halve, write
from recsys.held import holder
from recsys.learners.listwise_net import Net, judge
from recsys.learners.taste_filter import BASE
from recsys.learners.taste_kernels import Known
from recsys.policies.slate_kernels import all_finite, squarecb_slots, uniforms

__all__ = ["LIKE", "Drawn", "Recipe", "allow", "hold_recipe", "make", "room_for", "trust"]


class Drawn(NamedTuple):
    """Where a list is written, with room for the longest one and for its features.

    Attributes
    ----------
    items, propensities, scores
        Shapes ``(n_slots or more,)``.
    logged
        The bits of the features as float16: rows of what was drawn, one after the other, then those
        of the request.
    """

    items: NDArray[np.int32]
    propensities: NDArray[np.float64]
    scores: NDArray[np.float64]
    logged: NDArray[np.uint16]


class Recipe(NamedTuple):
    """What all lists are made with.

    Attributes
    ----------
    net
        With room for as many candidates as there may be.
    alive
        Which items of the catalogue may be shown, ``(n_items or more,)``.
    weights, seats
        Of the sources' columns, ``(n_columns,)``.
    keep
        See ``recsys.learners.taste_kernels.Known``.
    n_common, n_all, n_shared
        See ``recsys.features.rows.describe``.
    deviation, width
        See ``trust``.
    levels
        See ``recsys.learners.taste_filter.Crowd``.
    drawn
        Of the latest one.
    """

    pool: Scratch
    sources: Sources
    facts: Facts
    net: Net
    alive: NDArray[np.bool_]
    weights: NDArray[np.float32]
    seats: NDArray[np.int64]
    keep: float
    n_common: int
    n_all: int
    n_shared: int
    deviation: int
    width: float
    levels: NDArray[np.float64]
    drawn: Drawn


hold_recipe = holder(Recipe)

_INTS = np.zeros(0, np.int32)
_LONGS = np.zeros(0, np.int64)
_SEEN, _TASTES = np.zeros((2, 0), np.int32), np.zeros((4, 0))
LIKE = (
    *(_INTS, _LONGS, _SEEN, _INTS, _INTS, _TASTES),
    *(0, 0, 0, 0, _LONGS, 0, 0, 0, 0),
    *(0.0, 0.0, 0.0, 0.0, np.uint64(0)),
)
"""A value of each argument's type of ``make``, but for the recipe."""


def room_for(n_slots: int, n_all: int, n_shared: int) -> Drawn:
    """Return room for lists of up to ``n_slots``, see ``Recipe``."""
    return Drawn(
        np.zeros(n_slots, np.int32),
        np.zeros(n_slots),
        np.zeros(n_slots),
        np.zeros(n_slots * n_all + n_shared, np.uint16),
    )


@compiled
def allow(
    alive: NDArray[np.bool_], consumed: NDArray[np.int32], excluded: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Return which items are alive, not consumed and not excluded, shape ``(n_items,)``.

    Parameters
    ----------
    consumed, excluded
        Dense indices.
    """
    allowed = alive.copy()
    for i in range(consumed.shape[0]):
        allowed[consumed[i]] = False
    for i in range(excluded.shape[0]):
        allowed[excluded[i]] = False
    return allowed


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
def _draw(
    recipe: Recipe,
    cut: Cut,
    known: Known,
    moment: Moment,
    base: float,
    scale: float,
    share: float,
    gamma: float,
    seed: np.uint64,
) -> bool:
    """Describe a cut, score it with the listwise ranker, draw with SquareCB; as ``make``."""
    n_slots, n_all = moment.list_size, recipe.n_all
    # What is scored is what is logged.
    values, halves = halve(
        write(recipe.facts, recipe.n_common, n_all, recipe.n_shared, cut, known, base, moment)
    )
    end = cut.items.shape[0] * n_all
    rows = values[:end].reshape((cut.items.shape[0], n_all))
    scores = judge(recipe.net, rows, values[end:].reshape((1, recipe.n_shared)), scale)
    trust(scores, share, rows, recipe.deviation, recipe.width)
    if not all_finite(scores):
        return False
    drawn = recipe.drawn
    lots, propensities = np.empty(n_slots), drawn.propensities[:n_slots]
    chosen = np.empty(n_slots, np.int64)
    uniforms(seed, lots)
    squarecb_slots(scores, gamma, lots, chosen, propensities)
    logged = drawn.logged[: n_slots * n_all + recipe.n_shared]
    for slot in range(n_slots):
        place = chosen[slot]
        drawn.items[slot] = cut.items[place]
        drawn.scores[slot] = scores[place]
        propensities[slot] = min(propensities[slot], 1.0)
        logged[slot * n_all : (slot + 1) * n_all] = halves[place * n_all : (place + 1) * n_all]
    logged[n_slots * n_all :] = halves[end:]
    return True


@compiled
def make(
    recipe: Recipe,
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    seen: NDArray[np.int32],
    consumed: NDArray[np.int32],
    excluded: NDArray[np.int32],
    table: NDArray[np.float64],
    lessons: int,
    session: int,
    clicks: int,
    shown: int,
    tokens: NDArray[np.int64],
    ts_ms: int,
    n_items: int,
    n_slots: int,
    most: int,
    base_rate: float,
    scale: float,
    share: float,
    gamma: float,
    seed: np.uint64,
) -> bool:
    """Make a list for a person, from the question to the sources to the draw.

    Parameters
    ----------
    items, times_ms, seen, consumed, lessons, session, clicks, shown
        See ``recsys.users.User``.
    excluded
        What the request does not want.
    table
        See ``recsys.tastes.Tastes``.
    tokens, ts_ms, base_rate
        See ``recsys.features.facts.Moment``.
    n_items, n_slots, most
        How many the catalogue has, how many are wanted, and among how many they are drawn.
    scale
        See ``recsys.learners.listwise_net.judge``.
    share
        See ``trust``.
    gamma, seed
        See ``recsys.policies.slate_kernels.squarecb_slots`` and ``uniforms``.

    Returns
    -------
    Whether it was made, and is in ``recipe.drawn`` now: to return arrays takes longer. It is not
    when there are fewer candidates, or a score is not finite.
    """
    nobody = np.empty(0, np.int32)
    # fmt: off
    cut = Cut(*ask(
        PROPOSE + SCORE + CUT, recipe.pool, recipe.sources, nobody, False, nobody,
        items, times_ms, allow(recipe.alive[:n_items], consumed, excluded), ts_ms, session,
        table, lessons, recipe.keep, recipe.weights, recipe.seats, most,
    ))
    # fmt: on
    if cut.items.shape[0] < n_slots:
        return False
    n_past = items.shape[0]
    last_liked = recipe.facts.log_liked[items[n_past - 1]] if n_past else 0.0
    moment = Moment(
        times_ms,
        seen,
        tokens,
        ts_ms,
        last_liked,
        float(clicks),
        float(shown),
        base_rate,
        recipe.pool.size[0],
        n_slots,
    )
    known = Known(table, lessons, recipe.keep)
    base = recipe.levels[BASE]
    return _draw(recipe, cut, known, moment, base, scale, share, gamma, seed)
