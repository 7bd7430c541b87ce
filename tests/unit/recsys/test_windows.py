"""Counts that fade, and habits that are averaged."""

import math

import numpy as np
import pytest

from recsys.errors import CorruptRecord, IncompatibleState
from recsys.features.habits import ItemHabits
from recsys.features.windows import CLICKED, EXPECTED, SHOWN, WindowCounts, cross, crossed

MINUTE_MS = 60_000


def windows(n_keys: int = 4) -> WindowCounts:
    """Return windows of one and of ten minutes."""
    counts = WindowCounts((60.0, 600.0))
    counts.grow(n_keys)
    return counts


def read(counts: WindowCounts, key: int, ts_ms: int) -> list[list[float]]:
    found: list[list[float]] = counts.read(np.array([key], np.int32), ts_ms)[0].tolist()
    return found


def test_a_count_halves_with_every_half_life() -> None:
    counts = windows()
    counts.add(2, SHOWN, 1_000_000)
    counts.add(2, SHOWN, 1_000_000 + MINUTE_MS)
    counts.add(2, CLICKED, 1_000_000 + 2 * MINUTE_MS)
    counts.add(2, EXPECTED, 1_000_000 + 2 * MINUTE_MS, 0.25)
    now = read(counts, 2, 1_000_000 + 2 * MINUTE_MS)
    assert now[0] == pytest.approx([0.25 + 0.5, 1.0, 0.25])
    assert now[1] == pytest.approx([0.5**0.2 + 0.5**0.1, 1.0, 0.25])
    later = read(counts, 2, 1_000_000 + 12 * MINUTE_MS)
    assert later[0] == pytest.approx([value * 0.5**10 for value in now[0]])
    assert later[1] == pytest.approx([value * 0.5 for value in now[1]])
    assert read(counts, 1, 0) == [[0.0] * 3] * 2


def test_what_comes_late_counts_as_of_the_newest() -> None:
    counts = windows()
    counts.add(0, CLICKED, 10 * MINUTE_MS)
    counts.add(0, CLICKED, 3 * MINUTE_MS)
    assert read(counts, 0, 10 * MINUTE_MS)[0] == [0.0, 2.0, 0.0]
    assert read(counts, 0, 11 * MINUTE_MS)[0] == [0.0, 1.0, 0.0]
    assert read(counts, 0, 0)[0] == [0.0, 2.0, 0.0], "asked as of before"


def test_counts_of_long_ago_are_nothing() -> None:
    counts = windows()
    counts.add(0, CLICKED, 0)
    counts.add(0, SHOWN, 10**13)
    assert read(counts, 0, 10**13) == [[1.0, 0.0, 0.0]] * 2


def test_windows_go_on_from_a_snapshot() -> None:
    one, other = windows(), windows()
    for step in range(20):
        one.add(step % 4, SHOWN, step * MINUTE_MS)
    other.restore(one.snapshot())
    for counts in (one, other):
        counts.grow(100)
        counts.add(99, CLICKED, 30 * MINUTE_MS)
        counts.add(1, CLICKED, 30 * MINUTE_MS)
    assert one.snapshot() == other.snapshot()
    keys = np.arange(100, dtype=np.int32)
    now_ms = 40 * MINUTE_MS
    np.testing.assert_array_equal(one.read(keys, now_ms), other.read(keys, now_ms))


def test_other_windows_are_incompatible() -> None:
    with pytest.raises(IncompatibleState, match=r"windows of \[60\.0, 600\.0\] s"):
        WindowCounts((60.0,)).restore(windows().snapshot())


def test_damaged_counts_are_refused() -> None:
    record = bytearray(windows().snapshot())
    record[-1] ^= 1
    with pytest.raises(CorruptRecord):
        windows().restore(bytes(record))


def test_crossings_fall_all_over_the_table() -> None:
    rows = {(item, token): crossed(item, token, 1000) for item in range(50) for token in range(50)}
    assert all(0 <= row < 1000 for row in rows.values())
    # 2,500 balls in 1,000 places leave a share of exp(-2.5) = 8 % of them empty.
    assert 0.88 < len(set(rows.values())) / 1000 < 0.96
    assert crossed(0, 2**32 - 1, 1000) != crossed(2**31 - 1, 1, 1000)
    assert 0 <= crossed(2**31 - 1, 2**32 - 1, 65_536) < 65_536


def habits() -> ItemHabits:
    found = ItemHabits()
    found.grow(3)
    return found


def test_habits_are_averages_of_pause_and_depth() -> None:
    found = habits()
    for pause_ms, depth in ((1_000, 1), (9_000, 4), (59_000, 9)):
        found.like(1, pause_ms, depth, 5_000)
    pauses = [math.log1p(seconds) for seconds in (1, 9, 59)]
    depths = [math.log1p(depth) for depth in (1, 4, 9)]
    assert found.pause[1] == pytest.approx(sum(pauses) / 3)
    assert found.depth[1] == pytest.approx(sum(depths) / 3)
    assert (found.likes[1], found.last_ms[1]) == (3.0, 5_000)


def test_a_persons_first_like_says_when_and_nothing_else() -> None:
    found = habits()
    found.like(1, None, 0, 7_000)
    found.like(1, None, 0, 6_000)
    assert (found.likes[1], found.pause[1], found.last_ms[1]) == (0.0, 0.0, 7_000)


def test_a_pause_into_the_past_counts_by_its_length() -> None:
    found = habits()
    found.like(1, -9_000, 1, 1_000)
    assert found.pause[1] == pytest.approx(math.log1p(9.0))


def test_habits_follow_a_change_within_some_fifty_likes() -> None:
    found = habits()
    for _ in range(500):
        found.like(1, 0, 1, 0)
    for _ in range(50):
        found.like(1, 1_000_000, 1, 0)
    share = found.pause[1] / math.log1p(1000.0)
    assert share == pytest.approx(1.0 - 0.98**50, rel=1e-3)


def test_habits_go_on_from_a_snapshot() -> None:
    one, other = habits(), habits()
    one.like(2, 5_000, 3, 1_000)
    other.restore(one.snapshot())
    for each in (one, other):
        each.grow(90)
        each.like(89, 5_000, 3, 2_000)
        each.like(2, 7_000, 3, 2_000)
    assert one.snapshot() == other.snapshot()


def test_many_keys_at_once_are_counted_like_one_after_the_other() -> None:
    keys = np.array([[3, 1, -1], [1, 1, 2], [-1, -1, -1]], np.int32)
    amounts = np.array([1.0, 0.25, 7.0])
    together, apart = windows(), windows()
    for ts_ms in (1_000, 90_000, 30_000):
        together.add_all(keys, EXPECTED, ts_ms, amounts)
        for row, amount in zip(keys.tolist(), amounts.tolist(), strict=True):
            for key in row:
                if key >= 0:
                    apart.add(key, EXPECTED, ts_ms, amount)
    assert together.snapshot() == apart.snapshot()
    assert together.counts.any()


def test_crossings_of_many_are_those_of_each() -> None:
    items, tokens = np.arange(5, dtype=np.int32), np.array([7, 2**32 - 1], np.int64)
    rows = [[crossed(item, token, 1000) for token in tokens.tolist()] for item in range(5)]
    assert cross(items, tokens, 1000).tolist() == rows
