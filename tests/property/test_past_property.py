"""What a person was shown and consumed, held against the dictionaries that it once was."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.codec import pack, unpack
from recsys.past import Consumed, Seen
from recsys.users import User

ITEMS = st.integers(0, 12)
LISTS = st.lists(st.lists(ITEMS, max_size=6), max_size=12)


@given(lists=LISTS, liked=st.lists(ITEMS, max_size=12), bound=st.integers(1, 8))
def test_seen_counts_as_a_dictionary_does(
    lists: list[list[int]], liked: list[int], bound: int
) -> None:
    seen, expected = Seen(), dict[int, int]()
    for number, items in enumerate(lists):
        seen.count(np.array(items, np.int32), bound)
        for item in items:
            expected[item] = expected.pop(item, 0) + 1
            while len(expected) > bound:
                del expected[next(iter(expected))]
        if number < len(liked):
            seen.drop(liked[number])
            expected.pop(liked[number], None)
        assert seen.counts() == [*expected.items()]
        assert seen.table.flags.c_contiguous
        assert seen.table.dtype == np.int32
    person = User(user_id="u", seen=seen)
    assert unpack(pack(person), User).seen == seen
    assert pack(seen) == pack(expected)


@given(items=st.lists(ITEMS, max_size=30), bound=st.integers(1, 8))
def test_consumed_keeps_what_a_dictionary_does(items: list[int], bound: int) -> None:
    consumed, expected = Consumed(), dict[int, None]()
    for item in items:
        consumed.add(item, bound)
        expected.pop(item, None)
        expected[item] = None
        while len(expected) > bound:
            del expected[next(iter(expected))]
        assert consumed.items.tolist() == [*expected]
        assert all((one in consumed) == (one in expected) for one in range(13))
    assert consumed.items.dtype == np.int32
    assert unpack(pack(User(user_id="u", consumed=consumed)), User).consumed == consumed
    assert pack(consumed) == pack(expected)
