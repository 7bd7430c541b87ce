"""Lists: their size, their seed, their threshold, and what is refused."""

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
from recsys.policies.slate_kernels import uniforms
from recsys.policies.softmax import Softmax
from recsys.policies.squarecb import SquareCB
from recsys.policies.uniform import Uniform

SCORES = np.array([0.3, 0.1, 0.9, 0.5, 0.7])
POLICIES: tuple[Policy, ...] = (
    Greedy(),
    Uniform(),
    EpsilonGreedy(epsilon=0.5),
    Softmax(temperature=0.2),
    SquareCB(gamma=10.0),
)
PLACKETT_LUCE = [policy for policy in POLICIES if policy.plackett_luce]


def test_greedy_lists_by_score_and_position() -> None:
    slate = draw(Greedy(), np.array([0.3, 0.9, 0.1, 0.9, 0.3]), 5, seed=1)
    assert slate.chosen.tolist() == [1, 3, 0, 4, 2]
    assert slate.propensities.tolist() == [1.0] * 5


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12), st.integers(1, 12))
def test_a_greedy_list_is_greedy_choices_in_a_row(scores: list[int], k: int) -> None:
    left = dict(enumerate(map(float, scores)))
    expected = list[int]()
    while left and len(expected) < k:
        places = list(left)
        chances = Greedy().probabilities(np.array([left[place] for place in places]))
        expected.append(places[int(chances.argmax())])
        del left[expected[-1]]
    slate = draw(Greedy(), np.array(scores, float), k, seed=1)
    assert slate.chosen.tolist() == expected
    assert slate.propensities.tolist() == [1.0] * len(expected)


def test_uniform_slots_are_one_in_what_remains() -> None:
    slate = draw(Uniform(), SCORES, 3, seed=1)
    np.testing.assert_allclose(slate.propensities, [1 / 5, 1 / 4, 1 / 3])


def test_epsilon_greedy_is_asked_again_for_every_slot() -> None:
    slate = draw(EpsilonGreedy(epsilon=1e-9), SCORES, 5, seed=1)
    assert slate.chosen.tolist() == [2, 4, 3, 0, 1]
    np.testing.assert_allclose(slate.propensities, 1.0, atol=1e-8)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize(("n", "k", "drawn"), [(5, 9, 5), (5, 5, 5), (5, 2, 2), (1, 1, 1)])
def test_a_list_has_k_slots_or_all_candidates(policy: Policy, n: int, k: int, drawn: int) -> None:
    slate = draw(policy, SCORES[:n], k, seed=3)
    assert len(set(slate.chosen.tolist())) == slate.chosen.size == drawn
    assert slate.propensities.shape == (drawn,)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_without_candidates_the_list_is_empty(policy: Policy) -> None:
    slate = draw(policy, np.empty(0), 10, seed=1)
    assert (slate.chosen.size, slate.propensities.size, slate.threshold) == (0, 0, None)


@pytest.mark.parametrize("policy", POLICIES[1:], ids=str)
def test_the_seed_alone_decides(policy: Policy) -> None:
    lists = {tuple(draw(policy, SCORES, 3, seed=seed).chosen.tolist()) for seed in range(64)}
    again = {tuple(draw(policy, SCORES, 3, seed=seed).chosen.tolist()) for seed in range(64)}
    assert lists == again
    assert len(lists) > 3


def test_seeds_have_64_bits() -> None:
    seeds = [1, 1 + 2**32, 2**63, 2**64 - 1]
    scores = np.zeros(1000)
    assert len({int(draw(Uniform(), scores, 1, seed).chosen[0]) for seed in seeds}) == 4


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_only_a_race_that_leaves_some_out_has_a_threshold(policy: Policy) -> None:
    some = draw(policy, SCORES, 2, seed=5).threshold
    assert (some is not None and some > 0.0) == policy.plackett_luce
    assert draw(policy, SCORES, 5, seed=5).threshold is None


def test_candidates_out_of_range_are_ranked_all_the_same() -> None:
    """Below the first, every softmax probability underflows; the order must still be by score."""
    scores = np.array([-2e6, 0.0, -1e6, -3e6])
    slate = draw(Softmax(temperature=0.02), scores, 3, seed=1)
    assert slate.chosen.tolist() == [1, 2, 0]
    assert slate.propensities.tolist() == [1.0, 1.0, 1.0]
    assert slate.threshold is None


def test_candidates_out_of_range_do_not_disturb_a_race_among_the_others() -> None:
    scores = np.array([0.0, 0.01, -1e6, 0.02])
    for seed in range(50):
        slate = draw(Softmax(temperature=0.02), scores, 2, seed)
        assert 2 not in slate.chosen
        assert slate.threshold is not None
        assert np.isfinite(slate.threshold)


class Skewed(Policy):
    """Gives nothing to all but the last."""

    @override
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        chances = np.zeros(scores.size)
        chances[-1] = 1.0
        return chances


def test_an_item_of_probability_zero_is_not_drawn() -> None:
    for seed in range(50):
        assert draw(Skewed(), SCORES, 3, seed).chosen.tolist() == [4, 3, 2]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_scores_stay_as_they_were(policy: Policy) -> None:
    scores = SCORES.copy()
    scores.flags.writeable = False
    draw(policy, scores, 3, seed=1)
    np.testing.assert_array_equal(scores, SCORES)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 slot, got k=0"):
        draw(Greedy(), SCORES, 0, seed=1)
    with pytest.raises(ValueError, match="got nan at place 1"):
        draw(Greedy(), np.array([0.0, np.nan, np.inf]), 1, seed=1)
    with pytest.raises(ValueError, match="non-negative"):
        draw(Greedy(), SCORES, 1, seed=-1)


@given(
    st.lists(st.floats(0.0, 2.0), min_size=1, max_size=30),
    st.integers(1, 30),
    st.floats(1.0, 1e5),
    st.integers(0, 2**64 - 1),
)
def test_squarecb_is_as_if_it_were_asked_for_every_slot(
    scores: list[float], k: int, gamma: float, seed: int
) -> None:
    policy, values = SquareCB(gamma=gamma), np.array(scores)
    lots = np.empty(min(k, values.size))
    uniforms(np.uint64(seed), lots)
    chosen, propensities = policy.slots(values, lots)
    one_by_one, asked = Policy.slots(policy, values, lots)
    assert chosen.tolist() == one_by_one.tolist()
    np.testing.assert_allclose(propensities, asked, rtol=1e-9, atol=1e-15)


def test_lots_are_uniform_whatever_the_seed() -> None:
    first = np.empty(1)
    seen = list[float]()
    for seed in range(4000):
        uniforms(np.uint64(seed), first)
        seen.append(float(first[0]))
    many = np.empty(4000)
    uniforms(np.uint64(2**64 - 1), many)
    for lots in (np.sort(seen), np.sort(many)):
        # Kolmogorov and Smirnov's distance, at a level of one in a thousand.
        assert np.abs(lots - (np.arange(4000) + 0.5) / 4000).max() < 1.95 / 4000**0.5
        assert 0.0 <= lots[0] <= lots[-1] < 1.0
