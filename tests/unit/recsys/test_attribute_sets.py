"""Sets of attributes: what an item has is what its set has, however often it changes."""

from hypothesis import given
from hypothesis import strategies as st

from recsys.attribute_sets import AttributeSets

TOKENS = st.lists(st.integers(0, 3), max_size=3, unique=True).map(sorted)


def tokens_of(sets: AttributeSets, item: int) -> list[int]:
    return [token for token in sets.tokens[sets.of_item[item]].tolist() if token >= 0]


def test_items_alike_share_a_number() -> None:
    sets = AttributeSets()
    for item, tokens in enumerate(([1, 2], [2], [1, 2], [])):
        sets.place(item, tokens)
    assert sets.of_item[:4].tolist() == [0, 1, 0, 2]
    assert [tokens_of(sets, item) for item in range(4)] == [[1, 2], [2], [1, 2], []]


def test_a_number_that_nobody_has_any_more_is_given_again() -> None:
    sets = AttributeSets()
    for price in range(1000):
        sets.place(0, [price])
        sets.place(1, [price, price + 1])
    assert len(sets.tokens) <= 3
    assert tokens_of(sets, 0) == [999]
    assert tokens_of(sets, 1) == [999, 1000]


@given(st.lists(st.tuples(st.integers(0, 9), TOKENS), min_size=1, max_size=60))
def test_every_item_has_what_it_was_given_last(words: list[tuple[int, list[int]]]) -> None:
    sets = AttributeSets()
    last = dict[int, list[int]]()
    for item, tokens in words:
        sets.place(item, tokens)
        last[item] = tokens
    assert {item: tokens_of(sets, item) for item in last} == last
    numbers = {item: int(sets.of_item[item]) for item in last}
    for one in last:
        for other in last:
            assert (numbers[one] == numbers[other]) == (last[one] == last[other])
    assert len(sets.tokens) <= 11
