"""One question to all sources, in one call: see ``recsys.candidates.gather``.

A source that is switched off is ``None``, and nothing is compiled for it. Their columns stand in
the order of the arguments.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Question
from recsys.candidates.by_attributes import score as score_by_attributes
from recsys.candidates.factor_kernels import Near, Vectors
from recsys.candidates.factor_kernels import propose as propose_factors
from recsys.candidates.factor_kernels import score as score_factors
from recsys.candidates.fresh import Arrivals
from recsys.candidates.fresh import propose as propose_fresh
from recsys.candidates.fresh import score as score_fresh
from recsys.candidates.pool_kernels import (
    CutFields,
    Scratch,
    add_first,
    add_items,
    clear,
    cut,
    uncut,
)
from recsys.candidates.popular import Counted
from recsys.candidates.popular import score as score_popular
from recsys.candidates.popular_attributes import CountedKinds
from recsys.candidates.popular_attributes import score as score_popular_attributes
from recsys.candidates.recent_tastes import Recent
from recsys.candidates.recent_tastes import propose as propose_recent_tastes
from recsys.candidates.session_kernels import Shelves
from recsys.candidates.session_kernels import propose as propose_sessions
from recsys.candidates.tastes import Liked
from recsys.candidates.tastes import propose as propose_tastes
from recsys.candidates.transition_kernels import Bonds
from recsys.candidates.transition_search import propose as propose_transitions
from recsys.candidates.transition_search import score as score_transitions
from recsys.compiled import compiled
from recsys.held import holder
from recsys.learners.taste_kernels import Known

__all__ = ["CUT", "PROPOSE", "SCORE", "Sources", "ask", "hold_sources"]

PROPOSE, SCORE, CUT = 1, 2, 4
"""The steps, see ``ask``."""


class Sources(NamedTuple):
    """What all sources know, in the order of their columns; ``None`` for one that is not asked."""

    transitions: Bonds | None
    sessions: Shelves | None
    factors: Vectors | None
    popular: Counted | None
    popular_attributes: CountedKinds | None
    fresh: Arrivals | None
    tastes: Liked | None
    recent_tastes: Recent | None


hold_sources = holder(Sources)


@compiled
def _ask(
    steps: int,
    pool: Scratch,
    question: Question,
    known: Known,
    near: Near,
    transitions: Bonds | None,
    sessions: Shelves | None,
    factors: Vectors | None,
    popular: Counted | None,
    popular_attributes: CountedKinds | None,
    fresh: Arrivals | None,
    tastes: Liked | None,
    recent_tastes: Recent | None,
) -> None:
    """Do as ``ask``: what is ``None`` has to be an argument for nothing to be compiled for it."""
    column = 0
    if transitions is not None:
        if steps & PROPOSE:
            propose_transitions(transitions, question, pool)
        column += transitions.worth.shape[0]
    if sessions is not None:
        # They score while they propose.
        if steps & PROPOSE:
            propose_sessions(sessions, question, pool, column)
        column += 1
    if steps & PROPOSE:
        if factors is not None:
            propose_factors(factors, question, near, pool)
        if popular is not None:
            add_first(pool, popular.orders, popular.n, question.allowed)
        if popular_attributes is not None:
            add_first(pool, popular_attributes.orders, popular_attributes.n, question.allowed)
        if fresh is not None:
            propose_fresh(fresh, question, pool)
        if tastes is not None:
            propose_tastes(tastes, question, known, pool)
        if recent_tastes is not None:
            propose_recent_tastes(recent_tastes, question, pool)
    if not steps & SCORE:
        return
    if transitions is not None:
        score_transitions(transitions, pool, 0)
    if factors is not None:
        score_factors(factors, pool, column)
        column += 1
    if popular is not None:
        score_popular(popular, question, pool, column)
        column += popular.counts.shape[1]
    if popular_attributes is not None:
        score_popular_attributes(popular_attributes, question, pool, column)
        column += popular_attributes.counts.shape[1]
    if fresh is not None:
        score_fresh(fresh, question, pool, column)
        column += 1
    if tastes is not None:
        score_by_attributes(tastes.kinds, pool, column)
        column += 1
    if recent_tastes is not None:
        score_by_attributes(recent_tastes.kinds, pool, column)


@compiled
def ask(
    steps: int,
    pool: Scratch,
    sources: Sources,
    given: NDArray[np.int32],
    indexed: bool,
    near: NDArray[np.int32],
    items: NDArray[np.int32],
    times_ms: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    ts_ms: int,
    session: int,
    table: NDArray[np.float64],
    lessons: int,
    keep: float,
    weights: NDArray[np.float32],
    seats: NDArray[np.int64],
    most: int,
) -> CutFields:
    """Wipe the pool and let every source propose, score what all of them proposed, take the best.

    Returns what ``recsys.candidates.pool_kernels.cut`` does, if it is asked for.

    Parameters
    ----------
    steps
        ``PROPOSE``, ``SCORE`` and ``CUT``, some of them, added. One function for all, as it takes
        seconds to compile.
    given
        Items that are in the pool whoever proposes them.
    indexed, near
        Fields of a ``Near``, for factors. A tuple of arrays would be taken apart anew by each call.
    items, times_ms, allowed, ts_ms, session
        Fields of a ``Question``.
    table, lessons, keep
        Fields of a ``Known``: tastes of the person.
    weights, seats, most
        What the sources' columns are worth, their seats, and how many are cut.
    """
    if steps & PROPOSE:
        clear(pool)
        add_items(pool, given)
    _ask(
        steps,
        pool,
        Question(items, times_ms, allowed, ts_ms, session),
        Known(table, lessons, keep),
        Near(indexed, near),
        sources.transitions,
        sources.sessions,
        sources.factors,
        sources.popular,
        sources.popular_attributes,
        sources.fresh,
        sources.tastes,
        sources.recent_tastes,
    )
    return cut(pool, allowed, weights, seats, most) if steps & CUT else uncut()
