"""The formulas of the policies, the conformance suite over each, and the suite over broken ones."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from recsys.checks.policy import PolicyCheck, policy_checks
from recsys.policies.base import Policy
from recsys.policies.build import build_policy
from recsys.policies.epsilon_greedy import EpsilonGreedy
from recsys.policies.greedy import Greedy
from recsys.policies.softmax import Softmax
from recsys.policies.squarecb import SquareCB
from recsys.policies.uniform import Uniform
from recsys.settings import (
    EpsilonGreedySettings,
    GreedySettings,
    PolicySettings,
    SoftmaxSettings,
    SquareCBSettings,
    UniformSettings,
)

CHECKS = {check.name: check for check in policy_checks()}
POLICIES: tuple[Policy, ...] = (
    Greedy(),
    Uniform(),
    EpsilonGreedy(epsilon=0.05),
    EpsilonGreedy(epsilon=1.0),
    Softmax(temperature=0.02),
    Softmax(temperature=5.0),
    SquareCB(gamma=1000.0),
    SquareCB(gamma=0.5),
)


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.name)
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_conforms(policy: Policy, check: PolicyCheck) -> None:
    check.run(policy)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (GreedySettings(), Greedy()),
        (UniformSettings(), Uniform()),
        (EpsilonGreedySettings(epsilon=0.3), EpsilonGreedy(epsilon=0.3)),
        (SoftmaxSettings(temperature=2.0), Softmax(temperature=2.0)),
        (SquareCBSettings(gamma=7.0), SquareCB(gamma=7.0)),
    ],
)
def test_built_from_settings(settings: PolicySettings, expected: Policy) -> None:
    assert build_policy(settings) == expected


@pytest.mark.parametrize(
    ("policy", "scores", "expected"),
    [
        (Greedy(), [0.1, 0.9, 0.5], [0.0, 1.0, 0.0]),
        (Uniform(), [0.1, 0.9, 0.5, 0.0], [0.25, 0.25, 0.25, 0.25]),
        (EpsilonGreedy(epsilon=0.3), [0.1, 0.9, 0.5], [0.1, 0.8, 0.1]),
        (Softmax(temperature=0.5), [0.0, math.log(2) / 2, math.log(3) / 2], [1 / 6, 2 / 6, 3 / 6]),
        (SquareCB(gamma=10.0), [0.2, 0.9, 0.4], [1 / 10, 1 - 1 / 10 - 1 / 8, 1 / 8]),
    ],
    ids=str,
)
def test_formula(policy: Policy, scores: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(policy.probabilities(np.array(scores)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Greedy(), [0.0, 1.0, 0.0]),
        (EpsilonGreedy(epsilon=0.3), [0.1, 0.8, 0.1]),
        (SquareCB(gamma=7.0), [0.1, 1 - 0.1 - 1 / 3, 1 / 3]),
    ],
    ids=str,
)
def test_the_first_of_equals_is_the_best(policy: Policy, expected: list[float]) -> None:
    np.testing.assert_allclose(policy.probabilities(np.array([0.0, 1.0, 1.0])), expected)


def test_softmax_underflows_to_zero_far_behind() -> None:
    chances = Softmax(temperature=0.02).probabilities(np.array([0.0, 1e6, 1e6]))
    assert chances.tolist() == [0.0, 0.5, 0.5]


Formula = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Broken(Policy):
    def __init__(self, formula: Formula) -> None:
        self.formula = formula

    @override
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.formula(scores)


class FalseRace(Broken):
    plackett_luce = True


class Forgetful(Policy):
    """Hands out the same buffer again and again."""

    def __init__(self) -> None:
        self.buffers: dict[int, NDArray[np.float64]] = {}

    @override
    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        buffer = self.buffers.setdefault(scores.size, np.empty(scores.size))
        buffer[:] = Softmax(temperature=1.0).probabilities(scores)
        return buffer


def naive_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        weights = np.exp(scores)
        shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def in_place(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    scores -= scores.max()
    return np.full(scores.size, 1.0 / scores.size)


def by_place(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return EpsilonGreedy(epsilon=0.1).probabilities(-np.arange(scores.size, dtype=np.float64))


def by_ratio(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.abs(scores) + 1.0
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        (Broken(lambda scores: np.ones(1)), "one probability per candidate"),
        (
            Broken(lambda scores: np.full(scores.size, 0.9 / scores.size)),
            "a distribution for ordinary scores",
        ),
        (Broken(naive_softmax), "a distribution for extreme scores"),
        (
            Broken(lambda scores: np.full(scores.size, 0.5)),
            "a lone candidate is certain",
        ),
        (
            Broken(Greedy().probabilities),
            "every candidate has a chance if the policy explores",
        ),
        (
            Broken(lambda scores: Softmax(temperature=1.0).probabilities(-scores)),
            "a better score is never less likely",
        ),
        (Broken(by_place), "the order of candidates is irrelevant"),
        (Broken(by_ratio), "only differences of scores count"),
        (Forgetful(), "asking changes neither scores nor answer"),
        (
            FalseRace(EpsilonGreedy(epsilon=0.1).probabilities),
            "Plackett-Luce only if asking again equals renormalising",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_suite_finds(policy: Policy, name: str) -> None:
    with pytest.raises(AssertionError):
        CHECKS[name].run(policy)


def test_the_suite_finds_a_write_into_the_scores() -> None:
    with pytest.raises(ValueError, match="read-only"):
        CHECKS["asking changes neither scores nor answer"].run(Broken(in_place))
