"""From a request to a decision. Reads the state and changes nothing that a snapshot can see.

::

    sources -> mix -> (exclude, cut) -> features -> learner + personal bandit -> policy -> slate

Where the sources propose fewer items than are wanted, the newest of the other eligible ones are
candidates too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import mmh3
import numpy as np
from numpy.typing import NDArray

from recsys.candidates.mix import Mixed, mix, strongest
from recsys.decision import Recommendation, Request
from recsys.errors import InvalidEvent
from recsys.events import Decision, Slot
from recsys.features.base import Candidates, context_hashes, narrow
from recsys.ids import feature_hash
from recsys.policies.build import build_policy
from recsys.policies.slate import draw
from recsys.settings import ArmSettings
from recsys.state import State
from recsys.users import User

__all__ = ["recommend"]

_LARGEST = float(np.finfo(np.float16).max)


class _Pool(NamedTuple):
    """The items among which a request chooses.

    Attributes
    ----------
    items
        Dense indices, -1 where the catalogue lacks them, int32, shape ``(n_candidates,)``.
    ids
        Item ids as the request named them, ``n_candidates`` of them; ``None`` when the catalogue
        names all.
    """

    items: NDArray[np.int32]
    ids: Sequence[str] | None = None


def recommend(state: State, request: Request) -> Recommendation:
    """Answer one request that was validated before.

    Raises
    ------
    InvalidEvent
        When the request names an arm that the settings lack.
    """
    name = request.arm or state.arm_of(request.user_id)
    arm = state.settings.arms.get(name)
    if arm is None:
        raise InvalidEvent("/arm", f"must be one of {sorted(state.settings.arms)}, got {name!r}")
    known = state.users.get(request.user_id)
    user = known or User(user_id=request.user_id)
    mixed = mix(state.sources, state.source_weights, user, request.ts_ms, len(state.catalogue))
    pool = _pool(state, request, arm, user, mixed)
    seed = mmh3.hash64(request.decision_id, state.settings.seed & 0xFFFFFFFF, signed=False)[0]
    policy = build_policy(arm.policy)
    if arm.ranker == "random":
        # All items of the catalogue score the same: only those drawn need their features.
        scores = np.zeros(len(pool.items))
        slate = draw(policy, scores, request.n, seed)
        numeric = _numeric(state, user, mixed, pool.items[slate.chosen])
    else:
        candidates = Candidates(
            feature_hash("user", request.user_id),
            context_hashes(request.context),
            pool.items,
            _numeric(state, user, mixed, pool.items),
        )
        scores = _scores(state, arm, candidates)
        slate = draw(policy, scores, request.n, seed)
        numeric = candidates.numeric[slate.chosen]
    slots = tuple(
        Slot(_name(state, pool, place), min(propensity, 1.0), float(scores[place]), narrow(row))
        for place, propensity, row in zip(
            slate.chosen.tolist(), slate.propensities.tolist(), numeric, strict=True
        )
    )
    decision = Decision(
        event_id=request.decision_id,
        user_id=request.user_id,
        ts_ms=request.ts_ms,
        slots=slots,
        policy=name,
        context=request.context,
        model_sequence=state.counters.sequence,
        threshold=slate.threshold,
        fallback=not user.items,
    )
    return Recommendation(decision=decision, unknown_items=_unknown(state, request))


def _pool(state: State, request: Request, arm: ArmSettings, user: User, mixed: Mixed) -> _Pool:
    if request.candidates is not None:
        return _given(state, request.candidates, request.exclude)
    eligible = _eligible(state, request, user)
    if arm.ranker == "random":
        return _Pool(np.flatnonzero(eligible).astype(np.int32))
    keep = max(state.settings.candidates.keep, request.n)
    popular = arm.ranker == "popularity"
    row = next(i for i, source in enumerate(state.sources) if source is state.popular)
    scores = mixed.columns[row] if popular else mixed.total
    items = strongest(np.where(eligible, scores, np.float32(0.0)), keep)
    if len(items) < request.n:
        eligible[items] = False
        others = np.flatnonzero(eligible)[::-1][: request.n - len(items)]
        items = np.concatenate([items, others.astype(np.int32)])
    return _Pool(items)


def _given(state: State, wanted: Sequence[str], exclude: Sequence[str]) -> _Pool:
    """Return the candidates that the request brought, each once, in the order of their ids."""
    catalogue = state.catalogue
    found = {item_id: catalogue.index(item_id) for item_id in sorted(set(wanted) - set(exclude))}
    # What was taken out of the catalogue must not come back through a list of candidates.
    kept = {item_id: i for item_id, i in found.items() if i is None or catalogue.alive[i]}
    indices = [-1 if index is None else index for index in kept.values()]
    return _Pool(np.array(indices, np.int32), list(kept))


def _unknown(state: State, request: Request) -> tuple[str, ...]:
    """Return the request's candidates that are not in the catalogue, sorted."""
    catalogue = state.catalogue
    wanted = set(request.candidates or ()) - set(request.exclude)
    indices = {item_id: catalogue.index(item_id) for item_id in wanted}
    return tuple(
        sorted(item_id for item_id, i in indices.items() if i is None or not catalogue.alive[i])
    )


def _name(state: State, pool: _Pool, place: int) -> str:
    if pool.ids is not None:
        return pool.ids[place]
    return state.catalogue[int(pool.items[place])].item_id


def _eligible(state: State, request: Request, user: User) -> NDArray[np.bool_]:
    """Return which items of the catalogue may be shown, shape ``(n_items,)``."""
    eligible = state.catalogue.alive.copy()
    if user.consumed and not state.settings.catalogue.repeats:
        eligible[np.fromiter(user.consumed, np.int64, len(user.consumed))] = False
    for item_id in request.exclude:
        index = state.catalogue.index(item_id)
        if index is not None:
            eligible[index] = False
    return eligible


def _numeric(
    state: State, user: User, mixed: Mixed, items: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return the columns ``state.columns``, shape ``(n_candidates, n_features)``."""
    known = items >= 0
    safe = np.where(known, items, 0)
    if len(state.catalogue):
        shared = np.column_stack(
            [
                mixed.columns[:, safe].T,
                mixed.total[safe],
                np.log1p(state.counts.liked[safe]) / 10.0,
                state.counts.click_rate(safe),
            ]
        )
        shared[~known] = 0.0
        own = [model.features(user, items) for model in state.personal]
        numeric = np.column_stack([shared, *own])
    else:
        numeric = np.zeros((len(items), len(state.columns)))
    rounded: NDArray[np.float16] = np.clip(numeric, -_LARGEST, _LARGEST).astype("<f2")
    return rounded.astype(np.float32)


def _scores(state: State, arm: ArmSettings, candidates: Candidates) -> NDArray[np.float64]:
    """Return what the policy draws from, in units of reward, shape ``(n_candidates,)``."""
    column = {name: place for place, name in enumerate(state.columns)}
    numeric = candidates.numeric.astype(np.float64)
    if not len(candidates.items):
        return np.zeros(0)
    if arm.ranker == "popularity":
        popular: NDArray[np.float64] = numeric[:, column[state.popular.name]]
        return popular
    mixed = numeric[:, column["mix"]]
    # The best of them is worth what an average slot earns, however few sources propose it: for
    # a stranger popularity speaks alone.
    prior: NDArray[np.float64] = state.counts.base_rate * mixed / (mixed.max() or 1.0)
    examples = state.counters.examples
    if not examples:
        return prior
    settings = state.settings.learners
    trust = examples / (examples + settings.vw.prior_examples)
    learned = state.learner.score(candidates)
    own = settings.personal_bandit
    optimism = own.optimism * numeric[:, column["taste_deviation"]]
    taste = own.weight * (numeric[:, column["taste"]] + optimism)
    learned += taste - learned.max()
    scores: NDArray[np.float64] = (1.0 - trust) * prior + trust * learned
    return scores
