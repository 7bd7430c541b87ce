"""When a difference of losses is more than chance."""

import math

import numpy as np
import pytest

from recsys.refit.judge import LEAST_CHOICES, judge


def test_the_means_and_their_difference() -> None:
    verdict = judge([1.0, 2.0] * 100, [2.0, 2.0] * 100)
    assert (verdict.choices, verdict.loss, verdict.baseline, verdict.gain) == (200, 1.5, 2.0, 0.5)


def test_a_difference_within_chance_is_none() -> None:
    rng = np.random.default_rng(1)
    better = 0
    for _ in range(200):
        noise = rng.normal(0.0, 1.0, 400)
        better += judge((2.0 + noise).tolist(), [2.0] * 400).better
    # Above 2 standard errors lies one normal draw in 44.
    assert better <= 14
    sure = judge((1.7 + noise).tolist(), [2.0] * 400)
    assert sure.better
    assert sure.error == pytest.approx(1.0 / math.sqrt(400), rel=0.5)
    assert sure.reason.startswith("gain +0.")
    assert " > 2 x 0.0" in sure.reason


def test_neighbours_that_depend_on_each_other_count_less() -> None:
    rng = np.random.default_rng(2)
    alone = rng.normal(0.0, 1.0, 900)
    together = np.repeat(alone[:90], 10)
    errors = [judge(losses.tolist(), [0.0] * 900).error for losses in (alone, together)]
    assert errors[1] > 2.0 * errors[0]


def test_few_choices_decide_nothing() -> None:
    few = judge([0.0] * (LEAST_CHOICES - 1), [1.0] * (LEAST_CHOICES - 1))
    assert (few.better, few.error) == (False, math.inf)
    assert few.reason == "99 choices to judge by decide nothing, 100 would"
    assert not judge([], []).better


def test_what_is_the_same_is_not_better() -> None:
    same = judge([1.0] * 200, [1.0] * 200)
    assert (same.better, same.gain, same.error) == (False, 0.0, 0.0)
    assert same.reason == "gain +0.0000 not above 2 x 0.0000"
