"""One question to all sources: fills the pool."""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.candidates import gather_kernels as compute
from recsys.candidates.base import Asker, Source
from recsys.candidates.factor_kernels import Vectors
from recsys.candidates.factors import NOT_ASKED, Factors
from recsys.candidates.fresh import Arrivals, Fresh
from recsys.candidates.pool import Pool
from recsys.candidates.popular import Counted, Popular
from recsys.candidates.popular_attributes import CountedKinds, PopularAttributes
from recsys.candidates.recent_tastes import Recent, RecentTastes
from recsys.candidates.session_kernels import Shelves
from recsys.candidates.sessions import Sessions
from recsys.candidates.tastes import Liked, Tastes
from recsys.candidates.transition_kernels import Bonds
from recsys.candidates.transitions import Transitions
from recsys.learners.personal_bandit import PersonalBandit

__all__ = ["NOBODY", "Gather", "columns_of", "seats_of", "weights_of"]

NOBODY: Final = np.zeros(0, np.int32)
"""No items."""

SourceT = TypeVar("SourceT", bound=Source)


class _Held(NamedTuple):
    """What the sources know, in the order of ``gather_kernels``."""

    transitions: Bonds | None
    sessions: Shelves | None
    factors: Vectors | None
    popular: Counted | None
    popular_attributes: CountedKinds | None
    fresh: Arrivals | None
    tastes: Liked | None
    recent_tastes: Recent | None


def columns_of(sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the columns of all sources, in their order."""
    return tuple(column for source in sources for column in source.columns)


def weights_of(sources: Sequence[Source]) -> NDArray[np.float32]:
    """Return what each column is worth in the mix, float32, shape ``(n_columns,)``."""
    return np.array([weight for source in sources for weight in source.weights], np.float32)


def seats_of(sources: Sequence[Source]) -> NDArray[np.int64]:
    """Return how many of each column's best are candidates by right, shape ``(n_columns,)``."""
    by_source = [source.seats or (0,) * len(source.columns) for source in sources]
    return np.array([seats for own in by_source for seats in own], np.int64)


class Gather:
    """Asks all sources at once; each is also asked when it is asked alone.

    Parameters
    ----------
    sources
        At most one of a kind, in the order of ``recsys.candidates.settings.SourceName``.

    Raises
    ------
    TypeError
        When one is none of those that are asked, or stands in another order.
    """

    def __init__(self, sources: Sequence[Source], bandit: PersonalBandit) -> None:
        self._bandit = bandit
        self._transitions = _one(sources, Transitions)
        self._sessions = _one(sources, Sessions)
        self._factors = _one(sources, Factors)
        self._popular = _one(sources, Popular)
        self._popular_attributes = _one(sources, PopularAttributes)
        self._fresh = _one(sources, Fresh)
        self._tastes = _one(sources, Tastes)
        self._recent_tastes = _one(sources, RecentTastes)
        known = (
            self._transitions,
            self._sessions,
            self._factors,
            self._popular,
            self._popular_attributes,
            self._fresh,
            self._tastes,
            self._recent_tastes,
        )
        if [one for one in known if one is not None] != [*sources]:
            message = f"these sources cannot be asked together: {sources}"
            raise TypeError(message)

    def fill(self, pool: Pool, asker: Asker, given: NDArray[np.int32] = NOBODY) -> None:
        """Let every source propose, then score what all of them proposed.

        Parameters
        ----------
        given
            Items that are in the pool whoever proposes them.
        """
        self._ask(compute.PROPOSE + compute.SCORE, pool, asker, given)

    def propose(self, pool: Pool, asker: Asker) -> None:
        """Do the first half of ``fill``."""
        self._ask(compute.PROPOSE, pool, asker, NOBODY)

    def score(self, pool: Pool, asker: Asker) -> None:
        """Do the second half of ``fill``, for the same asker."""
        self._ask(compute.SCORE, pool, asker, NOBODY)

    def _ask(self, steps: int, pool: Pool, asker: Asker, given: NDArray[np.int32]) -> None:
        near = NOT_ASKED if self._factors is None else self._factors.near(asker)
        known = self._bandit.known(asker.user)
        inquiry = compute.Inquiry(asker.question, known, near, given)
        compute.ask(steps, inquiry, pool.held, *self._held())

    def _held(self) -> _Held:
        return _Held(
            None if self._transitions is None else self._transitions.held,
            None if self._sessions is None else self._sessions.held,
            None if self._factors is None else self._factors.held,
            None if self._popular is None else self._popular.held,
            None if self._popular_attributes is None else self._popular_attributes.held,
            None if self._fresh is None else self._fresh.held,
            None if self._tastes is None else self._tastes.held,
            None if self._recent_tastes is None else self._recent_tastes.held,
        )


def _one(sources: Sequence[Source], kind: type[SourceT]) -> SourceT | None:
    return next((source for source in sources if isinstance(source, kind)), None)
