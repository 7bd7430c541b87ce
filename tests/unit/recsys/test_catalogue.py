"""Items: the newest word wins, indices stay, bounds hold."""

import numpy as np
import pytest

from recsys.attribute_sets import ATTRIBUTE_COLUMNS
from recsys.catalogue import Catalogue
from recsys.errors import CorruptRecord
from recsys.events import Attributes
from recsys.settings import CatalogueSettings


def catalogue(max_items: int = 100, *, auto_insert: bool = True) -> Catalogue:
    return Catalogue(CatalogueSettings(max_items=max_items, auto_insert=auto_insert))


def tokens_of(one: Catalogue, index: int) -> list[str]:
    return [one.token(token) for token in one[index].tokens]


def test_indices_are_given_in_order_and_kept() -> None:
    one = catalogue()
    assert [one.upsert(f"i{n}", 10, {}) for n in range(3)] == [0, 1, 2]
    one.remove("i1", 20)
    assert one.upsert("i3", 30, {}) == 3
    assert one.upsert("i1", 40, {}) == 1
    assert [one.index(f"i{n}") for n in range(5)] == [0, 1, 2, 3, None]
    assert one.indices(["i3", "i4", "i0"]) == [3, -1, 0]
    assert one.alive.tolist() == [True] * 4


def test_the_newest_word_wins_whatever_the_order() -> None:
    words = [
        ("upsert", 10, {"genre": "crime"}),
        ("remove", 20, {}),
        ("upsert", 30, {"genre": "drama"}),
    ]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]):
        one = catalogue()
        for kind, ts_ms, attributes in (words[place] for place in order):
            if kind == "upsert":
                one.upsert("i", ts_ms, dict(attributes))
            else:
                one.remove("i", ts_ms)
        assert one[0].alive
        assert tokens_of(one, 0) == ["genre=drama"]


def test_of_two_words_of_one_moment_the_later_in_the_log_wins() -> None:
    one = catalogue()
    one.upsert("i", 10, {})
    one.remove("i", 10)
    assert not one[0].alive
    assert one.upsert("i", 10, {}) == 0
    assert one[0].alive


def test_a_removed_item_is_known_but_not_alive() -> None:
    one = catalogue()
    one.remove("unheard-of", 10)
    assert one.index("unheard-of") == 0
    assert one.n_alive == 0
    assert one.upsert("unheard-of", 9, {}) is None
    assert one.n_alive == 0


@pytest.mark.parametrize(("auto_insert", "index"), [(True, 0), (False, None)])
def test_feedback_makes_items_known_where_that_is_allowed(
    auto_insert: bool, index: int | None
) -> None:
    one = catalogue(auto_insert=auto_insert)
    assert one.mention("i", 10) == index
    assert len(one) == (index is not None)


def test_an_item_that_feedback_named_gets_its_attributes_later() -> None:
    one = catalogue()
    one.mention("i", 50)
    assert one.upsert("i", 10, {"genre": "crime"}) == 0
    assert tokens_of(one, 0) == ["genre=crime"]
    assert one.created_ms.tolist() == [50]


def test_what_does_not_fit_is_refused_and_counted() -> None:
    one = catalogue(max_items=2)
    for name in ("a", "b", "c"):
        one.upsert(name, 10, {})
    one.mention("d", 10)
    one.remove("e", 10)
    assert (len(one), one.room, one.refused) == (2, 0, 3)
    assert one.upsert("a", 20, {}) == 0


def test_tokens_are_names_and_values() -> None:
    one = catalogue()
    attributes: Attributes = {
        "b": ["y", "x", "x"],
        "a": True,
        "year": 1994.0,
        "price": 3.14159,
        "c": "text",
    }
    one.upsert("i", 10, attributes)
    assert tokens_of(one, 0) == ["a=True", "b=x", "b=y", "c=text", "price=3.1", "year=2e+03"]


def test_a_whole_number_is_the_float_it_equals() -> None:
    one = catalogue()
    one.upsert("i", 10, {"year": 7})
    one.upsert("j", 10, {"year": 7.0})
    assert one[0].tokens == one[1].tokens


def test_attribute_columns_hold_the_tokens_of_each_item() -> None:
    one = catalogue()
    assert one.attributes.shape == (0, ATTRIBUTE_COLUMNS)
    one.upsert("j", 10, {"tags": ["t03"]})
    assert one.attributes.tolist() == [[0] + [-1] * 15]
    one.upsert("i", 10, {"tags": [f"t{n:02}" for n in range(20)]})
    one.upsert("i", 20, {"tags": ["t05"]})
    assert one.attributes.shape == (2, ATTRIBUTE_COLUMNS)
    assert one.attributes.flags.c_contiguous
    assert one.attributes[0].tolist() == [0] + [-1] * 15
    assert [one.token(int(token)) for token in one.attributes[1] if token >= 0] == ["tags=t05"]
    assert one.n_tokens == ATTRIBUTE_COLUMNS, "tokens beyond the sixteenth were made"
    assert len(one.token_hashes) == one.n_tokens


def test_an_attribute_that_changes_for_ever_runs_into_a_bound() -> None:
    one = catalogue(max_items=2)
    for price in range(100):
        one.upsert("i", price, {"price": f"{price} euro", "kind": "book"})
    bound = 2 * ATTRIBUTE_COLUMNS
    assert one.n_tokens == bound
    assert one.refused_tokens == 100 + 1 - bound
    assert tokens_of(one, 0) == ["kind=book"]


def test_arrays_grow_far_beyond_their_first_size() -> None:
    one = catalogue(max_items=1000)
    for n in range(300):
        one.upsert(f"i{n}", n, {"genre": f"g{n % 7}"})
    assert one.created_ms.tolist() == list(range(300))
    assert one.n_alive == 300
    assert [int(row[0]) for row in one.attributes] == [n % 7 for n in range(300)]


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    one = catalogue(max_items=4)
    one.upsert("a", 10, {"genre": ["crime", "drama"], "year": 1994.0})
    one.remove("b", 11)
    one.mention("c", 12)
    other = catalogue(max_items=4)
    other.upsert("z", 99, {"genre": "comedy"})
    other.restore(one.snapshot())
    for each in (one, other):
        each.upsert("b", 20, {"genre": ["drama", "family"]})
        each.upsert("d", 21, {"genre": "crime"})
        each.upsert("e", 22, {})
    assert one.snapshot() == other.snapshot()
    np.testing.assert_array_equal(one.attributes, other.attributes)
    assert other.token_hashes == one.token_hashes
    assert (other.refused, other.index("z")) == (1, None)


def test_a_damaged_snapshot_is_refused() -> None:
    record = bytearray(catalogue().snapshot())
    record[-1] ^= 1
    with pytest.raises(CorruptRecord):
        catalogue().restore(bytes(record))
