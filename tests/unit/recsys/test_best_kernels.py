"""The best of many scores, against a sort of all of them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.candidates.best_kernels import BLOCK, take_best


def best_by_blocks(scores: NDArray[np.float32], n: int) -> tuple[list[int], list[float]]:
    items, best = np.empty(n, np.int32), np.empty(n, np.float32)
    found = 0
    for start in range(0, len(scores), BLOCK):
        found = take_best(scores[start : start + BLOCK], start, items, best, found)
    return items[:found].tolist(), best[:found].tolist()


@pytest.mark.parametrize("n_scores", [0, 1, 63, 127, 128, 1000, BLOCK + 1, 3 * BLOCK - 7])
@pytest.mark.parametrize("n", [1, 8, 50, 64, 65, 200])
@pytest.mark.parametrize("levels", [3, 40, 1 << 20])
def test_it_is_what_a_sort_finds(n_scores: int, n: int, levels: int) -> None:
    rng = np.random.default_rng([n_scores, n, levels])
    scores = (rng.integers(-levels, levels, n_scores) / levels).astype(np.float32)
    scores[rng.random(n_scores) < 0.3] = -np.inf
    wanted = np.flatnonzero(scores > -np.inf)
    expected = wanted[np.lexsort((wanted, -scores[wanted]))][:n]
    items, best = best_by_blocks(scores, n)
    assert items == expected.tolist()
    assert best == scores[expected].tolist()


def test_rising_and_falling_scores() -> None:
    rising = np.arange(BLOCK + 100, dtype=np.float32)
    assert best_by_blocks(rising, 50)[0] == list(range(BLOCK + 99, BLOCK + 49, -1))
    assert best_by_blocks(-rising, 50)[0] == list(range(50))
