"""The network's loops against numpy in double precision, its slopes against finite differences."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.learners import listwise_net as net

N, COLUMNS, SHARED, HIDDEN = 7, 6, 3, 5
INPUTS = COLUMNS + SHARED
Doubles = NDArray[np.float64]


class Case:
    """Random weights and a random list, with offsets that the weights do not decide."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.weights = rng.normal(size=net.n_weights(INPUTS, HIDDEN))
        self.rows = rng.normal(size=(N, COLUMNS))
        self.shared = rng.normal(size=(1, SHARED))
        self.offsets = rng.normal(size=N)
        self.chosen = int(rng.integers(N))

    def outputs(self, weights: Doubles) -> Doubles:
        """Return ``w.z + v.relu(b + z W)`` of all rows, written with matrices."""
        inputs = np.hstack([self.rows, np.repeat(self.shared, N, axis=0)])
        w, v, b, inner = np.split(weights, np.cumsum([INPUTS, HIDDEN, HIDDEN]))
        hidden = np.maximum(b + inputs @ inner.reshape(INPUTS, HIDDEN), 0.0)
        result: Doubles = inputs @ w + hidden @ v
        return result

    def loss(self, weights: Doubles) -> float:
        logits = self.outputs(weights) + self.offsets
        return float(np.log(np.exp(logits).sum()) - logits[self.chosen])

    def slopes(self) -> Doubles:
        """Return the central differences of the loss."""
        step = 1e-6
        found = np.empty_like(self.weights)
        for place in range(len(found)):
            ahead, behind = self.weights.copy(), self.weights.copy()
            ahead[place] += step
            behind[place] -= step
            found[place] = (self.loss(ahead) - self.loss(behind)) / (2 * step)
        return found


def singles(values: Doubles) -> NDArray[np.float32]:
    return values.astype(np.float32)


def run(case: Case) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the outputs, and the hidden layer in scratch that is longer than the list."""
    hidden = np.full((N + 3, HIDDEN), np.nan, np.float32)
    out = net.forward(singles(case.weights), singles(case.rows), singles(case.shared), hidden)
    return out, hidden[:N]


@pytest.mark.parametrize("seed", range(5))
def test_the_outputs_are_the_formula(seed: int) -> None:
    case = Case(seed)
    out, hidden = run(case)
    # What all rows share through w moves all outputs alike; it may be left out of none or all.
    expected = case.outputs(case.weights)
    np.testing.assert_allclose(out - out[0], expected - expected[0], rtol=1e-4, atol=1e-4)
    assert (hidden >= 0.0).all()
    assert (hidden == 0.0).any()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_the_slopes_are_those_of_finite_differences(seed: int, scale: float) -> None:
    case = Case(seed)
    out, hidden = run(case)
    gradient = np.zeros(len(case.weights), np.float32)
    loss = net.gather(
        singles(case.weights),
        singles(case.rows),
        singles(case.shared),
        hidden,
        out + singles(case.offsets),
        case.chosen,
        scale,
        gradient,
    )
    assert loss == pytest.approx(scale * case.loss(case.weights), rel=1e-4)
    np.testing.assert_allclose(gradient, scale * case.slopes(), rtol=2e-3, atol=5e-4)
    assert np.abs(gradient).max() > 0.1 * scale


def test_the_slopes_of_lists_add_up() -> None:
    cases = [Case(1), Case(2)]
    together = np.zeros(len(cases[0].weights), np.float32)
    for case in cases:
        case.weights = cases[0].weights
        out, hidden = run(case)
        logits = out + singles(case.offsets)
        weights, rows, shared = map(singles, (case.weights, case.rows, case.shared))
        net.gather(weights, rows, shared, hidden, logits, case.chosen, 0.5, together)
    expected = 0.5 * (cases[0].slopes() + cases[1].slopes())
    np.testing.assert_allclose(together, expected, rtol=2e-3, atol=5e-4)


def test_a_step_of_adam() -> None:
    rng = np.random.default_rng(1)
    weights, first, second = rng.normal(size=4), np.zeros(4), np.zeros(4)
    mine = [singles(array) for array in (weights, first, second)]
    for step in range(1, 6):
        slopes = rng.normal(size=4)
        first = 0.9 * first + 0.1 * slopes
        second = 0.999 * second + 0.001 * slopes**2
        weights -= 0.01 * (first / (1 - 0.9**step)) / np.sqrt(second / (1 - 0.999**step))
        gradient = singles(slopes)
        net.adapt(mine[0], gradient, mine[1], mine[2], 0.01, step)
        assert gradient.tolist() == [0.0] * 4, "the slopes are taken, so they are wiped"
    np.testing.assert_allclose(mine[0], weights, rtol=1e-4)


def test_inputs_become_deviations_cut_at_five() -> None:
    mean, variance = np.array([9, 1, 0], np.float32), np.array([1, 4, 0], np.float32)
    rows = np.array([[1, 0.001], [3, -9], [101, 0]], np.float32)
    out = net.standardise(rows, mean, variance, 1)
    # A feature that never varied is cut, not divided by nothing.
    np.testing.assert_allclose(out, [[0, 1], [1, -5], [5, 0]], atol=1e-3)


def test_mean_and_variance_are_averages_over_lists() -> None:
    rng = np.random.default_rng(1)
    mean, variance = np.full(3, 5, np.float32), np.full(3, 7, np.float32)
    means, squares = list[Doubles](), list[Doubles]()
    for n_lists in range(1, 30):
        rows = rng.normal(2.0, 3.0, size=(int(rng.integers(1, 9)), 2))
        center = np.mean(means, axis=0) if means else np.array([5.0, 5.0])
        squares.append(((rows - center) ** 2).mean(axis=0))
        means.append(rows.mean(axis=0))
        net.observe(singles(rows), mean, variance, 1, n_lists)
    np.testing.assert_allclose(mean[1:], np.mean(means, axis=0), rtol=1e-4)
    np.testing.assert_allclose(variance[1:], np.mean(squares, axis=0), rtol=1e-4)
    assert (mean[0], variance[0]) == (5.0, 7.0), "inputs before the first were touched"


def test_after_long_the_mean_follows_slowly() -> None:
    mean, variance = np.zeros(1, np.float32), np.ones(1, np.float32)
    row = np.ones((1, 1), np.float32)
    for _ in range(1000):
        net.observe(row, mean, variance, 0, 10**9)
    assert mean[0] == pytest.approx(1.0 - (1.0 - 1e-4) ** 1000, rel=1e-3)


def test_a_list_of_certainties_has_no_slope_to_speak_of() -> None:
    case = Case(1)
    case.offsets[case.chosen] += 1000.0
    out, hidden = run(case)
    gradient = np.zeros(len(case.weights), np.float32)
    weights, rows, shared = map(singles, (case.weights, case.rows, case.shared))
    logits = out + singles(case.offsets)
    loss = net.gather(weights, rows, shared, hidden, logits, case.chosen, 1.0, gradient)
    assert math.isclose(loss, 0.0, abs_tol=1e-6)
    assert not gradient.any()
