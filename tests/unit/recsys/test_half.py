"""Float16 by our own loops is numpy's, bit for bit."""

import numpy as np
from numpy.typing import NDArray

from recsys.features.half import round_to_half, widen_halves


def rounded(values: NDArray[np.float32]) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    halves, wide = np.empty(values.size, np.uint16), np.empty_like(values)
    round_to_half(values, halves, wide)
    return halves, wide


def test_every_number_of_float16_stays_what_it_is() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16)
    expected = halves.view(np.float16).astype(np.float32)
    wide = np.empty(halves.size, np.float32)
    widen_halves(halves, wide)
    finite = ~np.isnan(expected)
    assert np.array_equal(wide[finite].view(np.uint32), expected[finite].view(np.uint32))
    assert np.isnan(wide[~finite]).all()
    again, _ = rounded(expected)
    assert np.array_equal(again[finite], halves[finite])
    assert np.isnan(again[~finite].view(np.float16)).all()


def test_numbers_between_go_to_the_nearest_ties_to_even() -> None:
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=100_000) * 10.0 ** rng.integers(-9, 5, 100_000)
    grid = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    ties = (grid[1:] + grid[:-1]) / 2.0
    ends = [65519.9, 65520.0, 1e30, -1e30, np.inf, -np.inf, -0.0, 2.0**-25, -(2.0**-25)]
    values = np.concatenate([drawn, ties, -ties, ends]).astype(np.float32)
    halves, wide = rounded(values)
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16)
    assert np.array_equal(halves, expected.view(np.uint16))
    assert np.array_equal(wide.view(np.uint32), expected.astype(np.float32).view(np.uint32))
