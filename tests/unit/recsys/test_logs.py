"""Logarithms taken many at a time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.features.logs import take_logarithms


def logarithms(values: NDArray[np.float32]) -> NDArray[np.float32]:
    taken = values.astype(np.float32)
    take_logarithms(taken)
    return taken


@pytest.mark.parametrize(("low", "high"), [(-36.0, 38.0), (-4.0, 4.0), (-0.01, 0.01)])
def test_they_are_nearly_as_exact_as_float32(low: float, high: float) -> None:
    values = (10.0 ** np.random.default_rng(1).uniform(low, high, 100_003)).astype(np.float32)
    expected = np.log(values.astype(np.float64))
    error = np.abs(logarithms(values) - expected)
    # float16, as which they are kept, has 5e-4.
    assert (error <= 2e-7 * np.maximum(np.abs(expected), 1.0)).all()


def test_one_gives_nothing_at_all() -> None:
    assert logarithms(np.ones(7, np.float32)).tolist() == [0.0] * 7


def test_what_is_not_finite_stays_so() -> None:
    taken = logarithms(np.array([np.nan, np.inf, 1.0, np.nan], np.float32))
    assert np.isnan(taken[[0, 3]]).all()
    assert taken[1] == np.inf


def test_none_is_none() -> None:
    assert logarithms(np.zeros(0, np.float32)).shape == (0,)
