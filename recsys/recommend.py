"""From a request to a decision. Reads the state and changes nothing that a snapshot can see.

::

    sources -> pool -> cut (mix) -> features -> learner + personal bandit -> policy -> slate
"""

from typing import Final, NamedTuple

import mmh3
import numpy as np
from numpy.typing import NDArray

from recsys import recommend_kernels as compute
from recsys.candidates.base import Asker
from recsys.candidates.pool import Cut
from recsys.choices import Choices, choices_of, drawn, eligible, names_of, unknown
from recsys.decision import Made, Recommendation, Request
from recsys.errors import InvalidEvent
from recsys.features.base import Candidates, context_hashes, narrow
from recsys.features.table import surface
from recsys.ids import feature_hash
from recsys.learners.trust import trust_in
from recsys.new_items import kept_for
from recsys.policies.base import Policy
from recsys.policies.build import build_policy, gamma_of
from recsys.policies.slate import Slate, draw
from recsys.policies.slate_kernels import all_finite
from recsys.settings import ArmSettings, SquareCBSettings
from recsys.state import State
from recsys.users import User

__all__ = ["DEGRADED", "recommend"]

DEGRADED: Final = "degraded"
"""Policy of the lists that were served in the place of scores that were not finite."""


class _Question(NamedTuple):
    """What is asked of an arm.

    Attributes
    ----------
    context
        See ``recsys.features.base.context_hashes``.
    """

    request: Request
    arm: ArmSettings
    user: User
    policy: Policy
    seed: int
    context: tuple[int, ...]


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
    user = state.users.get(request.user_id) or User(user_id=request.user_id)
    seed = mmh3.hash64(request.decision_id, state.settings.seed & 0xFFFFFFFF, signed=False)[0]
    # Beside the learner's arm the mix's tells what the ranker adds: the rest must be the same.
    alike = arm.ranker in {"learner", "mix"}
    exploration = state.drift.exploration(user) if alike else 1.0
    context = context_hashes(request.context)
    made = None
    simple = arm.ranker == "learner" and request.candidates is None
    if simple and isinstance(arm.policy, SquareCBSettings):
        gamma = gamma_of(arm.policy, exploration)
        made = state.at_once(request, user, gamma, surface(context, request.n), seed)
    if made is None:
        policy = build_policy(arm.policy, exploration)
        made = _in_steps(state, _Question(request, arm, user, policy, seed, context))
    return Recommendation(
        request=request,
        made=made,
        # Another name: what no learner has scored promises nothing, and is no success of the arm.
        policy=DEGRADED if made.degraded else name,
        model_sequence=state.counters.sequence,
        fallback=not len(user.items),
        unknown_items=() if request.candidates is None else unknown(state, request),
    )


def _in_steps(state: State, question: _Question) -> Made:
    """Make any list."""
    request, user = question.request, question.user
    # Of named candidates nothing is filtered, and no proposal is shown.
    allowed = state.catalogue.alive
    if request.candidates is None:
        allowed = eligible(state, user, request.exclude)
    asker = Asker.at(user, request.ts_ms, allowed, approximate=True)
    choices = choices_of(state, request, question.arm, asker)
    n = min(request.n, len(choices.cut.items))
    make = _learned if question.arm.ranker == "learner" else _unlearned
    return make(state, question, asker, choices, surface(question.context, n), n)


def _learned(
    state: State,
    question: _Question,
    asker: Asker,
    choices: Choices,
    tokens: NDArray[np.int64],
    n: int,
) -> Made:
    """Make a list of the learner's arm, some places of which may be kept for new items."""
    policy, seed, cut = question.policy, question.seed, choices.cut
    asked = state.features.ask(asker, cut, tokens, n)
    trait = feature_hash("user", asker.user.user_id)
    candidates = Candidates(trait, question.context, cut.items, asked.rows, asked.shared)
    scores = _scores(state, question.arm, cut, candidates, asker.user)
    if degraded := not all_finite(scores):
        scores = _safe(state, cut)

    def draw_from(given: NDArray[np.intp], slots: int, number: int) -> Slate:
        return draw(policy, scores[given], slots, (seed + number) % 2**64)

    places = state.new_items.places(asker.user, tokens, asker.ts_ms, n, seed)
    if places:
        slate = kept_for(places, state.new_items.among(cut.items), n, draw_from)
    else:
        slate = draw(policy, scores, max(n, 1), seed)
    rows = asked.logged_rows[slate.chosen]
    return _made(state, choices, slate, scores, rows, asked.logged_shared, degraded=degraded)


def _unlearned(
    state: State,
    question: _Question,
    asker: Asker,
    choices: Choices,
    tokens: NDArray[np.int64],
    n: int,
) -> Made:
    """Make a list of an arm that does not ask the learner: features are told of what was drawn."""
    cut = choices.cut
    scores = _prior(state, cut) if question.arm.ranker == "mix" else cut.mixed.astype(np.float64)
    if degraded := not all_finite(scores):
        scores = _safe(state, cut)
    slate = draw(question.policy, scores, max(n, 1), question.seed)
    cut_of = drawn(state, choices, slate.chosen)
    asked = state.features.ask(asker, cut_of, tokens, n)
    rows = asked.logged_rows
    return _made(state, choices, slate, scores, rows, asked.logged_shared, degraded=degraded)


def _made(
    state: State,
    choices: Choices,
    slate: Slate,
    scores: NDArray[np.float64],
    rows: NDArray[np.float16],
    shared: NDArray[np.float16],
    *,
    degraded: bool,
) -> Made:
    """Return what a slate shows, with the features of its slots and of the request."""
    return Made(
        names_of(state, choices, slate.chosen),
        np.minimum(slate.propensities, 1.0).tolist(),
        scores[slate.chosen].tolist(),
        narrow(rows),
        narrow(shared),
        slate.threshold,
        degraded,
    )


def _scores(
    state: State,
    arm: ArmSettings,
    cut: Cut,
    candidates: Candidates,
    user: User,
) -> NDArray[np.float64]:
    """Return what the policy draws from, in units of reward, shape ``(n_candidates,)``."""
    if not len(cut.items):
        return np.zeros(0)
    settings = state.settings.learners
    numeric, (deviation, width) = candidates.numeric, _optimism(state, arm)
    if settings.ranker == "listwise":
        expected = state.learner.score(candidates)
        compute.trust(expected, trust_in(user, settings.trust), numeric, deviation, width)
        return expected
    prior = _prior(state, cut)
    examples = state.counters.examples
    if not examples:
        return prior
    own = settings.vw if settings.ranker == "vw" else settings.ftrl
    trust = examples / (examples + own.prior_examples)
    learned = state.learner.score(candidates)
    learned -= learned.max()
    if settings.personal_bandit.enabled:
        taste = numeric[:, state.features.places["taste"]] + width * numeric[:, deviation]
        learned += settings.personal_bandit.weight * taste
    scores: NDArray[np.float64] = (1.0 - trust) * prior + trust * learned
    return scores


def _optimism(state: State, arm: ArmSettings) -> tuple[int, float]:
    """Return the column of the personal bandit's deviation, -1 without one, and what it adds."""
    bandit = state.settings.learners.personal_bandit
    # Who does not explore ranks by what is known.
    width = bandit.optimism if arm.policy.kind != "greedy" else 0.0
    return state.features.places["taste_deviation"] if bandit.enabled else -1, width


def _prior(state: State, cut: Cut) -> NDArray[np.float64]:
    """Return what candidates are worth by the mix, in units of reward, ``(n_candidates,)``.

    The best of them is worth what an average slot earns, however few sources propose it: for a
    stranger popularity speaks alone.
    """
    mixed = cut.mixed.astype(np.float64)
    prior: NDArray[np.float64] = state.counts.base_rate * mixed / (mixed.max(initial=0.0) or 1.0)
    return prior


def _safe(state: State, cut: Cut) -> NDArray[np.float64]:
    """Return scores that are finite whatever has become of learners and sources, ``_prior``."""
    mixed = np.nan_to_num(cut.mixed, nan=0.0, posinf=0.0, neginf=0.0)
    return np.nan_to_num(_prior(state, cut._replace(mixed=mixed)), nan=0.0)
