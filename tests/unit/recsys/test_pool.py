"""The pool: what is in it, what is best in it, and what the next request finds of it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.candidates.pool import Pool


def filled(rows: dict[int, list[float]], n_items: int = 100) -> Pool:
    """Return a pool of these items with these scores."""
    pool = Pool([f"column{number}" for number in range(len(next(iter(rows.values()))))])
    pool.grow(n_items)
    pool.add(np.array(list(rows), np.int32))
    for place, row in enumerate(rows.values()):
        pool.scores[:, place] = row
    return pool


def everything(pool: Pool) -> NDArray[np.bool_]:
    return np.ones(len(pool.place_of), np.bool_)


def weights(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_an_item_is_in_the_pool_once_where_it_came_first() -> None:
    pool = Pool(["a"])
    pool.grow(10)
    pool.add(np.array([7, 2, 7], np.int32))
    pool.add(np.array([5, 2], np.int32))
    assert pool.items.tolist() == [7, 2, 5]
    assert np.flatnonzero(pool.place_of >= 0).tolist() == [2, 5, 7]


def test_the_mix_divides_each_column_by_its_best() -> None:
    pool = filled({3: [0.0, 0.0, 4.0], 8: [5.0, 0.0, 0.0], 1: [10.0, 0.0, 0.0], 4: [2.5, 0.0, 8.0]})
    cut = pool.cut(everything(pool), weights(0.5, 9.0, 1.0), 10)
    assert cut.items.tolist() == [4, 1, 3, 8]
    np.testing.assert_allclose(cut.mixed, [0.125 + 1.0, 0.5, 0.5, 0.25])
    assert cut.largest.tolist() == [10.0, 0.0, 8.0]
    assert cut.places.tolist() == [0, 1, 2, 3]


def test_what_may_not_be_shown_sets_no_scale() -> None:
    pool = filled({0: [100.0], 1: [10.0], 2: [5.0]})
    allowed = everything(pool)
    allowed[0] = False
    cut = pool.cut(allowed, weights(1.0), 10)
    assert (cut.items.tolist(), cut.mixed.tolist()) == ([1, 2], [1.0, 0.5])
    assert cut.largest.tolist() == [10.0]


def test_what_no_source_speaks_for_is_cut() -> None:
    pool = filled({0: [1.0, 0.0], 1: [0.0, 1.0], 2: [0.0, 0.0]})
    assert pool.cut(everything(pool), weights(1.0, 0.0), 10).items.tolist() == [0]
    assert pool.cut(everything(pool), weights(0.0, 0.0), 10).items.tolist() == []


def test_a_column_that_all_but_vanished_says_nothing() -> None:
    pool = filled({0: [1e-30, 1.0], 1: [2e-30, 0.5]})
    cut = pool.cut(everything(pool), weights(1.0, 1.0), 10)
    assert cut.mixed.tolist() == [1.0, 0.5]
    assert np.isfinite(cut.mixed).all()


@pytest.mark.parametrize("keep", [1, 2, 3, 4, 5, 100])
def test_the_cut_is_the_head_of_a_stable_sort(keep: int) -> None:
    values = [0.5, 0.0, 0.9, 0.5, 0.1, 0.5]
    # In the pool they stand in another order: ties go by index all the same.
    pool = filled({item: [values[item]] for item in (5, 3, 1, 0, 2, 4)})
    cut = pool.cut(everything(pool), weights(1.0), keep)
    assert cut.items.tolist() == [2, 0, 3, 5, 4][:keep]


def test_the_cut_of_many_equals_sorting_them_all() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        values = rng.integers(0, 6, 200).astype(np.float32)
        order = rng.permutation(200)
        pool = filled({int(item): [float(values[item])] for item in order}, n_items=200)
        allowed = rng.random(len(pool.place_of)) < 0.8
        found = [item for item in np.flatnonzero(values).tolist() if allowed[item]]
        expected = sorted(found, key=lambda item: (-values[item], item))[:50]
        assert pool.cut(allowed, weights(1.0), 50).items.tolist() == expected


def test_an_empty_pool_has_an_empty_cut() -> None:
    pool = Pool(["a", "b"])
    cut = pool.cut(everything(pool), weights(1.0, 1.0), 5)
    assert (cut.items.shape, cut.mixed.shape, cut.largest.tolist()) == ((0,), (0,), [0.0, 0.0])
    rated = pool.rate(np.zeros(0, np.int32), weights(1.0, 1.0))
    assert (rated.items.shape, rated.mixed.shape, rated.largest.tolist()) == ((0,), (0,), [0, 0])


def test_given_items_are_rated_in_their_order() -> None:
    pool = filled({3: [4.0, 0.0], 8: [1.0, 2.0], 5: [100.0, 100.0]})
    items = np.array([8, -1, 3, 8], np.int32)
    own = pool.rate(items, weights(1.0, 0.5))
    assert own.items.tolist() == [8, -1, 3, 8]
    assert own.largest.tolist() == [4.0, 2.0]
    np.testing.assert_allclose(own.mixed, [0.75, 0.0, 1.0, 0.75])
    # By the mix, not by the order of asking, which says nothing; ties by that.
    assert own.places.tolist() == [1, 3, 0, 2]
    others = pool.rate(items, weights(1.0, 0.5), np.array([8.0, 0.0], np.float32))
    np.testing.assert_allclose(others.mixed, [0.125, 0.0, 0.5, 0.125])


def test_items_among_those_of_a_cut() -> None:
    pool = filled({3: [4.0], 8: [1.0], 5: [2.0], 9: [3.0]})
    allowed = everything(pool)
    allowed[3] = False
    cut = pool.cut(allowed, weights(1.0), 2)
    assert cut.items.tolist() == [9, 5]
    among = pool.rate_among(np.array([5, 8, 9, 50, -1], np.int32), weights(1.0), cut)
    np.testing.assert_allclose(among.mixed, [2 / 3, 1 / 3, 1.0, 0.0, 0.0], rtol=1e-6)
    assert among.places.tolist() == [1, 2, 0, 2, 2]
    assert among.largest.tolist() == cut.largest.tolist() == [3.0]
    some = among.take(np.array([2, 0]))
    assert (some.items.tolist(), some.places.tolist()) == ([9, 5], [0, 1])


def test_a_pool_grows_and_keeps_what_it_holds() -> None:
    pool = filled({3: [1.0]}, n_items=10)
    pool.grow(1000)
    pool.add(np.array([999], np.int32))
    pool.scores[0, 1] = 2.0
    assert pool.cut(everything(pool), weights(1.0), 5).items.tolist() == [999, 3]


def seats(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def test_the_best_of_a_column_have_seats_whatever_the_mix_says() -> None:
    rows = {item: [10.0 - item, 0.0] for item in range(8)} | {20: [0.0, 3.0], 21: [0.0, 5.0]}
    pool = filled(rows)
    cut = pool.cut(everything(pool), weights(1.0, 0.01), 5, seats(0, 2))
    # The last two by the mix leave for them; they stand behind, the best of their column first.
    assert cut.items.tolist() == [0, 1, 2, 21, 20]
    np.testing.assert_allclose(cut.mixed, [1.0, 0.9, 0.8, 0.01, 0.006], rtol=1e-5)
    assert cut.places.tolist() == [0, 1, 2, 3, 4]
    assert cut.largest.tolist() == [10.0, 5.0]


def test_who_is_high_enough_in_the_mix_needs_no_seat() -> None:
    pool = filled({item: [10.0 - item, float(item == 1)] for item in range(8)})
    cut = pool.cut(everything(pool), weights(1.0, 0.01), 4, seats(0, 3))
    assert sorted(cut.items.tolist()) == [0, 1, 2, 3]
    lower = filled({item: [10.0 - item, float(item in {1, 6})] for item in range(8)})
    cut = lower.cut(everything(lower), weights(1.0, 0.01), 4, seats(0, 3))
    assert sorted(cut.items.tolist()) == [0, 1, 2, 6]


def test_seats_are_for_what_may_be_shown_and_scores_something() -> None:
    pool = filled(
        {item: [10.0 - item, 0.0] for item in range(8)} | {20: [0.0, 3.0], 21: [0.0, 5.0]}
    )
    allowed = everything(pool)
    allowed[21] = False
    cut = pool.cut(allowed, weights(1.0, 0.01), 5, seats(0, 2))
    assert cut.items.tolist() == [0, 1, 2, 3, 20]


@pytest.mark.parametrize("keep", [1, 2, 3, 4, 7, 20])
def test_seats_add_no_candidates_and_name_none_twice(keep: int) -> None:
    rng = np.random.default_rng(keep)
    for _ in range(50):
        rows = {int(item): rng.integers(0, 4, 3).astype(float).tolist() for item in range(30)}
        pool = filled(rows)
        plain = pool.cut(everything(pool), weights(1.0, 0.5, 0.1), keep)
        cut = pool.cut(everything(pool), weights(1.0, 0.5, 0.1), keep, seats(0, 2, 3))
        items = cut.items.tolist()
        assert len(set(items)) == len(items) == len(plain.items)
        assert cut.mixed.tolist() == pytest.approx(
            pool.rate_among(cut.items, weights(1.0, 0.5, 0.1), plain).mixed.tolist()
        )
        for column, n in ((1, 2), (2, 3)):
            best = sorted(rows, key=lambda item: (-rows[item][column], item))[:n]
            wanted = [item for item in best if rows[item][column] > 0.0]
            if keep >= 7:
                assert set(wanted) <= set(items)


def test_where_all_fit_seats_change_nothing() -> None:
    pool = filled({item: [10.0 - item, float(item)] for item in range(4)})
    cut = pool.cut(everything(pool), weights(1.0, 0.0), 10, seats(0, 2))
    assert cut.items.tolist() == [0, 1, 2, 3]
