"""A list by one compiled call, where the settings are those that it was written for.

The same list as in steps (``recsys.recommend``). What stands between the calls of those is Python,
which takes a server several times as long as it takes by itself, for other processes have used the
processor since.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from recsys import recommend_kernels as compute
from recsys.choices import done_with, excluded
from recsys.decision import Request
from recsys.events import Slot
from recsys.features.base import narrow
from recsys.learners.listwise import ListwiseRanker
from recsys.learners.listwise_net import Net
from recsys.learners.trust import trust_in
from recsys.recommend_kernels import Recipe
from recsys.state import State
from recsys.users import User

__all__ = ["make_at_once"]


def make_at_once(
    state: State,
    request: Request,
    user: User,
    gamma: float,
    tokens: NDArray[np.int64],
    seed: int,
) -> tuple[tuple[Slot, ...], bytes] | None:
    """Make the list of the learner's arm for who names no candidates, drawn by SquareCB.

    Parameters
    ----------
    gamma
        See ``recsys.policies.squarecb.SquareCB``.
    tokens
        See ``recsys.features.table.surface``.

    Returns
    -------
    Its slots and the features of the request, or ``None`` where it has to be made in steps.
    """
    learner, bandit, catalogue = state.learner, state.personal_bandit, state.catalogue
    if not (isinstance(learner, ListwiseRanker) and state.features.plain):
        return None
    # What an index finds is asked for in between.
    if state.gather.indexed:
        return None
    if state.new_items.places(user, tokens, request.ts_ms, request.n, seed):
        return None
    most = max(state.settings.candidates.keep, request.n)
    # What everybody's tastes say of one person's.
    bandit.priors.refresh()
    tastes, net = user.tastes, learner.held(most)
    made = compute.make(
        state.recipe(partial(_recipe, state, net)),
        user.items,
        user.times_ms,
        user.seen.table,
        done_with(state, user),
        excluded(catalogue, request.exclude),
        tastes.table,
        tastes.lessons,
        user.session,
        user.clicks,
        user.shown,
        tokens,
        request.ts_ms,
        len(catalogue),
        request.n,
        most,
        state.counts.base_rate,
        bandit.base,
        learner.scale,
        trust_in(user, state.settings.learners.trust),
        gamma,
        np.uint64(seed),
    )
    if not made:
        return None
    n, drawn, (_, n_all, n_shared) = request.n, state.drawn, state.features.width
    features = narrow(drawn.logged[: n * n_all + n_shared].view(np.float16))
    size = 2 * n_all
    rows = [features[start : start + size] for start in range(0, n * size, size)]
    names = [catalogue[item].item_id for item in drawn.items[:n].tolist()]
    propensities, scores = drawn.propensities[:n].tolist(), drawn.scores[:n].tolist()
    return tuple(map(Slot, names, propensities, scores, rows)), features[n * size :]


def _recipe(state: State, net: Net) -> Recipe:
    features, bandit = state.features, state.settings.learners.personal_bandit
    common, every, shared = features.width
    return Recipe(
        state.pool.held,
        state.gather.held,
        features.held,
        net,
        state.catalogue.alive_table,
        state.weights,
        state.gather.seats,
        state.personal_bandit.keep,
        common,
        every,
        shared,
        features.places["taste_deviation"],
        bandit.optimism,
        state.drawn,
    )
