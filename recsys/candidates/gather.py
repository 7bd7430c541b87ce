"""One question to all sources: fills the pool."""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.candidates import gather_kernels as compute
from recsys.candidates.base import Asker, Source
from recsys.candidates.factors import NOT_ASKED, Factors
from recsys.candidates.fresh import Fresh
from recsys.candidates.pool import Cut, Pool
from recsys.candidates.popular import Popular
from recsys.candidates.popular_attributes import PopularAttributes
from recsys.candidates.recent_tastes import RecentTastes
from recsys.candidates.sessions import Sessions
from recsys.candidates.tastes import Tastes
from recsys.candidates.transitions import Transitions
from recsys.held import Held
from recsys.learners.personal_bandit import PersonalBandit

__all__ = ["NOBODY", "Gather", "columns_of", "seats_of", "weights_of"]

NOBODY: Final = np.zeros(0, np.int32)
"""No items."""

SourceT = TypeVar("SourceT", bound=Source)


class _Sources(NamedTuple):
    """The sources in that order."""

    transitions: Transitions | None
    sessions: Sessions | None
    factors: Factors | None
    popular: Popular | None
    popular_attributes: PopularAttributes | None
    fresh: Fresh | None
    tastes: Tastes | None
    recent_tastes: RecentTastes | None

    def known(self) -> compute.Sources:
        """Return what they know as of now."""
        return compute.Sources(
            None if self.transitions is None else self.transitions.held,
            None if self.sessions is None else self.sessions.held,
            None if self.factors is None else self.factors.held,
            None if self.popular is None else self.popular.held,
            None if self.popular_attributes is None else self.popular_attributes.held,
            None if self.fresh is None else self.fresh.held,
            None if self.tastes is None else self.tastes.held,
            None if self.recent_tastes is None else self.recent_tastes.held,
        )


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

    Attributes
    ----------
    weights, seats
        See ``weights_of`` and ``seats_of``.
    """

    def __init__(self, sources: Sequence[Source], bandit: PersonalBandit) -> None:
        self._bandit = bandit
        self._sources = _Sources(
            _one(sources, Transitions),
            _one(sources, Sessions),
            _one(sources, Factors),
            _one(sources, Popular),
            _one(sources, PopularAttributes),
            _one(sources, Fresh),
            _one(sources, Tastes),
            _one(sources, RecentTastes),
        )
        if [one for one in self._sources if one is not None] != [*sources]:
            message = f"these sources cannot be asked together: {sources}"
            raise TypeError(message)
        self.weights, self.seats = weights_of(sources), seats_of(sources)
        self._held = Held(compute.hold_sources)

    @property
    def held(self) -> compute.Sources:
        """What all of them know, for compiled code."""
        return self._held(self._sources.known)

    @property
    def indexed(self) -> bool:
        """Whether one of them may answer from an index."""
        factors = self._sources.factors
        return factors is not None and factors.indexed

    def fill(self, pool: Pool, asker: Asker, given: NDArray[np.int32] = NOBODY) -> None:
        """Let every source propose, then score what all of them proposed.

        Parameters
        ----------
        given
            Items that are in the pool whoever proposes them.
        """
        self._ask(compute.PROPOSE + compute.SCORE, pool, asker, given)

    def best(self, pool: Pool, asker: Asker, keep: int) -> Cut:
        """Fill the pool and cut it: the ``keep`` best by the mix, some of them by their seats."""
        return self._ask(compute.PROPOSE + compute.SCORE + compute.CUT, pool, asker, NOBODY, keep)

    def propose(self, pool: Pool, asker: Asker) -> None:
        """Do the first part of ``best``."""
        self._ask(compute.PROPOSE, pool, asker, NOBODY)

    def best_proposed(self, pool: Pool, asker: Asker, keep: int) -> Cut:
        """Do the rest of ``best``, for the same asker."""
        return self._ask(compute.SCORE + compute.CUT, pool, asker, NOBODY, keep)

    def _ask(
        self, steps: int, pool: Pool, asker: Asker, given: NDArray[np.int32], keep: int = 0
    ) -> Cut:
        factors = self._sources.factors
        proposes = steps & compute.PROPOSE
        near = factors.near(asker) if proposes and factors is not None else NOT_ASKED
        known = self._bandit.known(asker.user)
        # fmt: off
        cut = compute.ask(
            steps, pool.held, self.held, given,
            near.found, near.items,
            asker.items, asker.times_ms, asker.allowed, asker.ts_ms, asker.user.session,
            known.table, known.lessons, known.keep, self.weights, self.seats, keep,
        )
        # fmt: on
        return Cut(*cut)


def _one(sources: Sequence[Source], kind: type[SourceT]) -> SourceT | None:
    return next((source for source in sources if isinstance(source, kind)), None)
