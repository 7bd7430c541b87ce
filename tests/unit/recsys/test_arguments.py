"""What columns are logarithms of, against the formulas written out for one item after the other."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.candidates.pool import Cut
from recsys.features.arguments import take_arguments
from recsys.features.facts import Facts, Moment, hold_facts
from recsys.features.windows import crossed

NOW_MS = 1_700_000_000_000
N_ITEMS, N_SOURCES, N_WINDOWS, N_CROSSINGS = 40, 3, 2, 64
ITEMS = [5, -1, 39, 0, 17, 23]


def counts_of(rng: np.random.Generator, n: int, n_windows: int) -> NDArray[np.float32]:
    """Return counts, of which a third is nothing at all."""
    counts = rng.exponential(3.0, (n, n_windows, 3)).astype(np.float32)
    counts[rng.random(n) < 1 / 3] = 0.0
    return counts


def times_of(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Return times, some of them later than now."""
    return NOW_MS - rng.integers(-(10**6), 10**9, n)


def known(seed: int) -> Facts:
    rng = np.random.default_rng(seed)
    nothing, none = np.zeros(N_ITEMS), np.zeros(N_ITEMS, np.float32)
    # fmt: off
    return Facts(
        rng.random((N_SOURCES, N_ITEMS)).astype(np.float32), times_of(rng, N_ITEMS),
        np.full((N_ITEMS, 16), -1, np.int32), nothing, nothing, times_of(rng, N_ITEMS),
        none, none, none,
        counts_of(rng, N_ITEMS, N_WINDOWS), times_of(rng, N_ITEMS),
        counts_of(rng, 1, N_WINDOWS), times_of(rng, 1),
        counts_of(rng, N_CROSSINGS, 1), times_of(rng, N_CROSSINGS),
        np.array([3.6e6, 8.64e7]), 8.64e7, N_CROSSINGS, None,
    )
    # fmt: on


def crossed_lift(facts: Facts, item: int, tokens: list[int], rate: float) -> float:
    product = 1.0
    for token in tokens:
        row = crossed(item, token, N_CROSSINGS)
        _, clicked, expected = facts.crossed_counts[row, 0].tolist()
        if clicked or expected:
            age_ms = max(NOW_MS - int(facts.crossed_last_ms[row]), 0)
            left = 0.5 ** (age_ms / facts.crossed_half_life_ms)
            product *= (left * clicked + 3.0 * rate) / ((left * expected + 3.0) * rate)
    return product


def expected_of(facts: Facts, cut: Cut, moment: Moment, i: int) -> list[float]:
    item, place = int(cut.items[i]), int(cut.pooled[i])
    scores = [float(score) for score in facts.scores[:, place]] if place >= 0 else [0.0] * N_SOURCES
    largest = [float(one) for one in cut.largest]
    relative = [
        score / most if most > 0 else 0.0 for score, most in zip(scores, largest, strict=True)
    ]
    out = [*(one + 1e-3 for one in relative), *(score + 1e-4 for score in scores)]
    out += [float(cut.mixed[i]) + 0.05, 1.0 + int(cut.places[i]), 1.0]
    if item < 0:
        return out + [1.0] * (7 + 3 * N_WINDOWS)
    hours = max(NOW_MS - int(facts.created_ms[item]), 0) / 3_600_000
    minutes = max(NOW_MS - int(facts.last_liked_ms[item]), 0) / 60_000
    seen = dict(moment.seen.T.tolist())
    out += [1.0 + hours, 1.0 + minutes, 1.0, 1.0, 1.0, 1.0 + seen.get(item, 0)]
    age_ms = max(NOW_MS - int(facts.item_last_ms[item]), 0)
    lifts, shown = list[float](), list[float]()
    for window, half_life_ms in enumerate(facts.half_lives_ms.tolist()):
        left = 0.5 ** (age_ms / half_life_ms)
        times, clicked, expected = (left * float(one) for one in facts.item_counts[item, window])
        lifts.append((clicked + 2.0) / (expected + 2.0))
        shown.append(1.0 + times)
    lift = crossed_lift(facts, item, moment.tokens.tolist(), lifts[-1])
    return [*out, *lifts, *shown, *[1.0] * N_WINDOWS, lift]


@pytest.mark.parametrize("tokens", [[], [4], [4, 2**40 + 7, 123_456_789]], ids=len)
@pytest.mark.parametrize("seed", range(3))
def test_arguments_are_the_formulas(seed: int, tokens: list[int]) -> None:
    facts, n = known(seed), len(ITEMS)
    rng = np.random.default_rng(seed)
    cut = Cut(
        np.array(ITEMS, np.int32),
        rng.random(n).astype(np.float32),
        np.array([0.7, 0.0, 1.0], np.float32),
        np.arange(n, dtype=np.int32)[::-1].copy(),
        np.array([3, -1, 0, 9, -1, 8], np.int32),
    )
    seen = np.array([[17, 3, 5], [2, 9, 1]], np.int32)
    moment = Moment(
        np.zeros(0, np.int64), seen, np.array(tokens, np.int64), NOW_MS, 0.0, 0.0, 0.0, 0.1, 10, n
    )
    columns = np.ones((2 * N_SOURCES + 10 + 3 * N_WINDOWS, n), np.float32)
    take_arguments(columns, hold_facts(facts), cut, moment)
    expected = [expected_of(facts, cut, moment, i) for i in range(n)]
    assert all(math.isfinite(one) for row in expected for one in row)
    np.testing.assert_allclose(columns.T, expected, rtol=1e-5)
