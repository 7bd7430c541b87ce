"""A list by one compiled call, where the settings are those that it was written for.

The same list as in steps (``recsys.recommend``). What stands between the calls of those is Python,
which takes a server several times as long as it takes by itself, for other processes have used the
processor since. So all that only a renewal changes is looked at after one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Renewal
from recsys.candidates.gather import NOBODY
from recsys.compiled import straight
from recsys.decision import Made, Request
from recsys.events import MAX_SLOTS
from recsys.held import Held
from recsys.learners.listwise import ListwiseRanker
from recsys.learners.trust import trust_in
from recsys.recommend_kernels import LIKE, Recipe, hold_recipe, make, room_for
from recsys.users import User

if TYPE_CHECKING:
    from recsys.state import State

__all__ = ["AtOnce"]


_BITS: Final = np.dtype("<u2")


class AtOnce:
    """Makes the lists of the learner's arm for who names no candidates, drawn by SquareCB.

    Parameters
    ----------
    state
        Complete but for this.
    """

    def __init__(self, state: "State") -> None:
        settings = state.settings
        self._state = state
        self._catalogue = state.catalogue
        self._counts = state.counts
        self._bandit = state.personal_bandit
        self._new_items = state.new_items if settings.new_items.share else None
        self._repeats = settings.catalogue.repeats
        self._keep = settings.candidates.keep
        self._trust = settings.learners.trust
        _, self._n_all, self._n_shared = state.features.width
        self._drawn = room_for(MAX_SLOTS, self._n_all, self._n_shared)
        self._hold = Held(hold_recipe)
        self._learner: ListwiseRanker | None = None
        self._recipe: Recipe | None = None
        self._make: Callable[..., bool] = make
        self._as_of: object = None

    def __call__(
        self, request: Request, user: User, gamma: float, tokens: NDArray[np.int64], seed: int
    ) -> Made | None:
        """Make a list, or return ``None`` where it has to be made in steps.

        Parameters
        ----------
        gamma
            See ``recsys.policies.squarecb.SquareCB``.
        tokens
            See ``recsys.features.table.surface``.
        """
        if self._as_of is not Renewal.latest:
            self.look()
        n, learner = request.n, self._learner
        if learner is None:
            return None
        new_items = self._new_items
        if new_items is not None and new_items.places(user, tokens, request.ts_ms, n, seed):
            return None
        catalogue, drawn, tastes = self._catalogue, self._drawn, user.tastes
        made = self._make(
            self._recipe,
            user.items,
            user.times_ms,
            user.seen.table,
            NOBODY if self._repeats else user.consumed.items,
            catalogue.known(request.exclude) if request.exclude else NOBODY,
            tastes.table,
            tastes.lessons,
            user.session,
            user.clicks,
            user.shown,
            tokens,
            request.ts_ms,
            len(catalogue),
            n,
            max(self._keep, n),
            self._counts.base_rate,
            learner.scale,
            trust_in(user, self._trust),
            gamma,
            seed,
        )
        if not made:
            return None
        rows = n * self._n_all
        logged = drawn.logged[: rows + self._n_shared].astype(_BITS, copy=False).tobytes()
        return Made(
            catalogue.ids(drawn.items[:n].tolist()),
            drawn.propensities[:n].tolist(),
            drawn.scores[:n].tolist(),
            logged[: 2 * rows],
            logged[2 * rows :],
        )

    def look(self) -> None:
        """Look at what a renewal may have changed."""
        renewal = Renewal.latest
        state, learner = self._state, self._state.learner
        self._learner = None
        # What an index finds is asked for in between.
        if (
            isinstance(learner, ListwiseRanker)
            and state.features.plain
            and not state.gather.indexed
        ):
            learner.make_room(max(self._keep, MAX_SLOTS))
            recipe = self._hold(self._look)
            if recipe is not self._recipe:
                self._make = straight(make, recipe, *LIKE)
            self._recipe, self._learner = recipe, learner
        # From before the look, for it may have renewed something; and only if all went well.
        self._as_of = renewal

    def _look(self) -> Recipe:
        state, learner = self._state, self._state.learner
        assert isinstance(learner, ListwiseRanker)
        features = state.features
        return Recipe(
            state.pool.held,
            state.gather.held,
            features.held,
            learner.held,
            state.catalogue.alive_table,
            state.weights,
            state.gather.seats,
            self._bandit.keep,
            *features.width,
            features.places["taste_deviation"],
            state.settings.learners.personal_bandit.optimism,
            self._bandit.priors.levels,
            self._drawn,
        )
