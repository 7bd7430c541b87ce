"""The nearest items: a scan is exact, and an index finds nearly the same."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.candidates.nearest import Index, scan, scan_into

N_ITEMS, N_FACTORS, WANTED = 5000, 16, 50
Array = NDArray[np.float32]
Find = Callable[[Array, Array, NDArray[np.bool_], int], NDArray[np.int32]]


def vectors_of(n_items: int = N_ITEMS) -> Array:
    """Return vectors about forty kinds of items, some of which are liked more."""
    rng = np.random.default_rng(1)
    kinds = rng.normal(size=(40, N_FACTORS))
    own = kinds[rng.integers(0, 40, n_items)] + rng.normal(size=(n_items, N_FACTORS)) / 2.0
    return (own * rng.gamma(2.0, 0.5, size=(n_items, 1))).astype(np.float32)


VECTORS = vectors_of()
ALLOWED = np.ones(N_ITEMS, np.bool_)


def people(n: int = 40) -> Array:
    """Return who points to an item each."""
    noise = np.random.default_rng(2).normal(size=(n, N_FACTORS)) / 4.0
    return (VECTORS[:n] + noise).astype(np.float32)


def by_numpy(vector: Array, vectors: Array, n: int) -> list[int]:
    products = vectors @ vector
    order: list[int] = np.lexsort((np.arange(len(products)), -products))[:n].tolist()
    return order


def test_a_scan_is_exact() -> None:
    for vector in people():
        assert scan(vector, VECTORS, ALLOWED, 5).tolist() == by_numpy(vector, VECTORS, 5)


def test_a_scan_leaves_all_products() -> None:
    allowed = np.arange(N_ITEMS) % 3 > 0
    products = np.full(N_ITEMS + 7, -1.0, np.float32)
    vector = people(1)[0]
    found = scan_into(vector, VECTORS, allowed, WANTED, products)
    assert found.tolist() == scan(vector, VECTORS, allowed, WANTED).tolist()
    np.testing.assert_allclose(products[:N_ITEMS], VECTORS @ vector, rtol=1e-4, atol=1e-5)
    assert (products[N_ITEMS:] == -1.0).all()


def test_ties_go_to_the_lower_index() -> None:
    same = np.ones((8, 2), np.float32)
    for find in (scan, Index(same).find):
        found = find(same[0], same, np.ones(8, np.bool_), 3)
        assert found.tolist() == [0, 1, 2]


def test_an_index_misses_few_and_orders_them_exactly() -> None:
    index = Index(VECTORS)
    shares = list[float]()
    for vector in people():
        found = index.find(vector, VECTORS, ALLOWED, WANTED).tolist()
        products = VECTORS[found] @ vector
        assert (np.diff(products) <= 1e-4).all()
        best = by_numpy(vector, VECTORS, WANTED)
        assert found[0] == best[0]
        shares.append(len({*found} & {*best}) / WANTED)
    assert np.mean(shares) > 0.85


def test_the_same_vectors_make_the_same_index() -> None:
    one, other = Index(VECTORS), Index(VECTORS.copy())
    for vector in people():
        np.testing.assert_array_equal(
            one.find(vector, VECTORS, ALLOWED, WANTED), other.find(vector, VECTORS, ALLOWED, WANTED)
        )


def test_what_came_or_moved_since_is_judged_as_it_is_now() -> None:
    index = Index(VECTORS)
    vector = people()[0]
    first, second = by_numpy(vector, VECTORS, 2)
    now = np.concatenate((VECTORS, 100.0 * vector[None])).astype(np.float32)
    now[first] = 0.0
    found = index.find(vector, now, np.ones(len(now), np.bool_), 3)
    assert found[:2].tolist() == [N_ITEMS, second]
    assert first not in found


@pytest.mark.parametrize("find", [scan, Index(VECTORS).find])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_what_was_removed_takes_no_place(find: Find, share: float) -> None:
    """Nor does a catalogue of which most was removed leave an index with little to find."""
    vector = people()[0]
    allowed = np.random.default_rng(3).random(N_ITEMS) >= share
    found = find(vector, VECTORS, allowed, WANTED).tolist()
    assert len(found) == WANTED
    assert allowed[found].all()
    left = [item for item in by_numpy(vector, VECTORS, N_ITEMS) if allowed[item]]
    assert found[0] == left[0]
    assert len({*found} & {*left[:WANTED]}) > 0.8 * WANTED


def test_where_all_is_removed_nothing_is_found() -> None:
    nothing = np.zeros(N_ITEMS, np.bool_)
    for find in (scan, Index(VECTORS).find):
        assert not len(find(VECTORS[0], VECTORS, nothing, WANTED))


@pytest.mark.parametrize("n_items", [1, 2, 17])
def test_few_items_are_all_found(n_items: int) -> None:
    vectors, allowed = VECTORS[:n_items], np.ones(n_items, np.bool_)
    index = Index(vectors)
    found = index.find(vectors[0], vectors, allowed, WANTED)
    assert found.tolist() == scan(vectors[0], vectors, allowed, WANTED).tolist()


def test_without_faiss_an_index_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ModuleNotFoundError, match="faiss"):
        Index(VECTORS)
