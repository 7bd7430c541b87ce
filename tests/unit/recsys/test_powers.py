"""Powers of two taken many at a time, against those taken one by one."""

import numpy as np
import pytest

from recsys.features.powers import halve_ages


@pytest.mark.parametrize("half_life", [1.0, 1.8e6, 2.592e9])
def test_what_is_left_after_some_half_lives(half_life: float) -> None:
    rng = np.random.default_rng(1)
    ages = half_life * np.concatenate(
        [np.arange(0.0, 40.0, 0.5), rng.uniform(0.0, 3.0, 1000), rng.uniform(0.0, 1000.0, 1000)]
    )
    left = np.empty_like(ages)
    halve_ages(ages, half_life, left)
    np.testing.assert_allclose(left, np.exp2(-ages / half_life), rtol=1e-14, atol=0.0)
    assert left[0] == 1.0
    assert left[2] == 0.5


@pytest.mark.parametrize("age", [1022.0, 1023.0, 1e6, 1e300, np.inf])
def test_hardly_anything_is_left_in_the_end(age: float) -> None:
    left = np.empty(1)
    halve_ages(np.array([age]), 1.0, left)
    assert 0.0 <= left[0] < 1e-300
