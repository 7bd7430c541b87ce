"""Propensities are true: by enumeration, by Monte Carlo, and for whatever Hypothesis tries."""

import itertools
import math
from collections import Counter
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typing_extensions import override

from recsys.policies.base import Policy
from recsys.policies.epsilon_greedy import EpsilonGreedy
from recsys.policies.greedy import Greedy
from recsys.policies.slate import draw
from recsys.policies.softmax import Softmax
from recsys.policies.squarecb import SquareCB
from recsys.policies.uniform import Uniform

DRAWS: Final = 20_000
SIGMAS: Final = 4.0


class SlotBySlot(Policy):
    """A softmax that does not say that it is Plackett-Luce, so that it is asked for every slot."""

    @override
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return Softmax(temperature=0.3).probabilities(scores)


EXPLORING: tuple[Policy, ...] = (
    Uniform(),
    EpsilonGreedy(epsilon=0.4),
    Softmax(temperature=0.3),
    SlotBySlot(),
    SquareCB(gamma=6.0),
)
policies = st.one_of(
    st.just(Greedy()),
    st.just(Uniform()),
    st.floats(0.001, 1.0).map(lambda epsilon: EpsilonGreedy(epsilon=epsilon)),
    st.floats(0.001, 100.0).map(lambda temperature: Softmax(temperature=temperature)),
    st.floats(0.001, 1e6).map(lambda gamma: SquareCB(gamma=gamma)),
)
score_lists = st.lists(st.floats(-1e6, 1e6) | st.floats(-1.0, 1.0), min_size=1, max_size=30)


def conditional(
    policy: Policy, scores: NDArray[np.float64], chosen: tuple[int, ...]
) -> list[float]:
    """Return the probability of each slot given those above, by asking for what remains."""
    chances = []
    left = list(range(scores.size))
    for item in chosen:
        chances.append(float(policy.probabilities(scores[left])[left.index(item)]))
        left.remove(item)
    return chances


@given(policy=policies, values=score_lists, k=st.integers(1, 40), seed=st.integers(0, 2**64 - 1))
def test_any_list_is_sound(policy: Policy, values: list[float], k: int, seed: int) -> None:
    scores = np.array(values)
    slate = draw(policy, scores, k, seed)
    chosen = tuple(slate.chosen.tolist())
    assert len(set(chosen)) == len(chosen) == min(k, scores.size)
    assert set(chosen) <= set(range(scores.size))
    assert bool(((slate.propensities > 0.0) & (slate.propensities <= 1.0)).all())
    # A score of 1e6 has digits down to 1e-10, which a temperature of 0.001 makes 1e-7.
    np.testing.assert_allclose(
        slate.propensities, conditional(policy, scores, chosen), rtol=1e-5, atol=1e-12
    )
    if slate.threshold is not None:
        assert policy.plackett_luce
        assert k < scores.size
        assert 0.0 < slate.threshold < math.inf
    again = draw(policy, scores, k, seed)
    assert again.chosen.tolist() == slate.chosen.tolist()
    assert again.propensities.tolist() == slate.propensities.tolist()
    assert again.threshold == slate.threshold
    assert scores.tolist() == values


@pytest.mark.parametrize("policy", EXPLORING, ids=lambda policy: type(policy).__name__)
def test_lists_are_as_frequent_as_their_propensities_say(policy: Policy) -> None:
    """Slot 1, slot 2 given slot 1, and with them every list of 2 out of 4.

    The expectation asks the policy slot by slot, so for the Plackett-Luce policies this is also
    the proof that a race and slot by slot are the same distribution.
    """
    scores = np.array([0.4, 0.1, 0.0, 0.5])
    pairs: Counter[tuple[int, int]] = Counter()
    logged: dict[tuple[int, int], NDArray[np.float64]] = {}
    for seed in range(DRAWS):
        slate = draw(policy, scores, 2, seed)
        first, second = slate.chosen.tolist()
        pairs[first, second] += 1
        logged[first, second] = slate.propensities
    assert len(pairs) == 12
    for first in range(4):
        times = sum(pairs[first, second] for second in range(4))
        for second in set(range(4)) - {first}:
            p, q = conditional(policy, scores, (first, second))
            np.testing.assert_allclose(logged[first, second], [p, q], rtol=1e-12)
            assert abs(times - DRAWS * p) <= SIGMAS * math.sqrt(DRAWS * p * (1 - p))
            assert abs(pairs[first, second] - times * q) <= SIGMAS * math.sqrt(times * q * (1 - q))


@pytest.mark.parametrize("policy", [Uniform(), Softmax(temperature=0.3)], ids=str)
def test_the_threshold_gives_unbiased_totals(policy: Policy) -> None:
    """Weighed by ``1 / (1 - exp(-p * tau))``, the drawn items stand for all of them."""
    scores = np.array([0.4, 0.1, 0.0, 0.5, 0.2, 0.3])
    chances = policy.probabilities(scores)
    values = np.array([1.0, 5.0, 2.0, 0.5, 3.0, 7.0])
    counts = np.empty(DRAWS)
    totals = np.empty(DRAWS)
    for seed in range(DRAWS):
        slate = draw(policy, scores, 3, seed)
        assert slate.threshold is not None
        above = np.concatenate([[1.0], np.cumprod(1.0 - slate.propensities)[:-1]])
        p = slate.propensities * above
        np.testing.assert_allclose(p, chances[slate.chosen], rtol=1e-9)
        weights = 1.0 / -np.expm1(-p * slate.threshold)
        counts[seed] = weights.sum()
        totals[seed] = weights @ values[slate.chosen]
    for estimates, truth in ((counts, scores.size), (totals, values.sum())):
        error = estimates.std() / math.sqrt(DRAWS)
        assert abs(estimates.mean() - truth) <= SIGMAS * error
        assert error < 0.01 * truth


def test_a_race_and_slot_by_slot_draw_the_same_orders() -> None:
    """Whole permutations of 3, race against slot by slot, both sampled."""
    scores = np.array([0.4, 0.1, 0.0])
    race, slots = (
        Counter(tuple(draw(policy, scores, 3, seed).chosen.tolist()) for seed in range(DRAWS))
        for policy in (Softmax(temperature=0.3), SlotBySlot())
    )
    for order in itertools.permutations(range(3)):
        p = math.prod(conditional(SlotBySlot(), scores, order))
        spread = math.sqrt(2 * DRAWS * p * (1 - p))
        assert abs(race[order] - slots[order]) <= SIGMAS * spread
