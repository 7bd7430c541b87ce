"""Tastes as a table, and the record that they had when they were dictionaries."""

from copy import deepcopy
from typing import Any

import msgspec
import numpy as np
import pytest

from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord
from recsys.tastes import MEAN, Tastes
from recsys.users import User

COLUMNS = [(7, 0.25, 0.1, 2), (70_000, -0.5, 0.9, 300), (0, 1.0, 1.0, 40)]


class Dictionaries(msgspec.Struct):
    """As tastes were kept in memory once, and still are in records."""

    mean: dict[int, float] = {}
    left: dict[int, float] = {}
    touched: dict[int, int] = {}
    lessons: int = 0


class Person(msgspec.Struct):
    """What of a ``User`` matters here."""

    tastes: Any
    user_id: str = "u"


BEFORE = Dictionaries(
    {7: 0.25, 70_000: -0.5, 0: 1.0}, {7: 0.1, 70_000: 0.9, 0: 1.0}, {7: 2, 70_000: 300, 0: 40}, 301
)


@pytest.mark.parametrize(
    ("tastes", "before"), [(Tastes.of(COLUMNS, 301), BEFORE), (Tastes(), Dictionaries())]
)
def test_the_record_is_that_of_dictionaries(tastes: Tastes, before: Dictionaries) -> None:
    record = pack(Person(before))
    assert pack(Person(tastes)) == record
    found = unpack(record, User).tastes
    assert found == tastes
    assert (found.mean, found.left, found.touched) == (before.mean, before.left, before.touched)
    assert pack(Person(found)) == record


def test_maps_in_another_order_are_those_of_the_first() -> None:
    moved = msgspec.structs.replace(BEFORE, left=dict(reversed(BEFORE.left.items())))
    assert unpack(pack(Person(moved)), User).tastes == Tastes.of(COLUMNS, 301)


@pytest.mark.parametrize(
    "damaged",
    [
        {"left": {7: 0.1}},
        {"touched": {7: 2, 70_000: 300, 1: 40}},
        {"mean": {7: "much", 70_000: 0.0, 0: 0.0}},
        {"mean": {-1: 0.0}, "left": {-1: 0.0}, "touched": {-1: 0}},
        {"mean": {2**31: 0.0}, "left": {2**31: 0.0}, "touched": {2**31: 0}},
        {"touched": {7: 2, 70_000: 300, 0: 0.5}},
        {"touched": {7: 2, 70_000: 300, 0: -1}},
        {"lessons": "many"},
        {"mean": [0.25, -0.5, 1.0]},
    ],
)
def test_what_are_no_tastes_is_refused(damaged: dict[str, object]) -> None:
    fields = {**msgspec.structs.asdict(BEFORE), **damaged}
    with pytest.raises(CorruptRecord, match="the record is no User"):
        unpack(pack(Person(fields)), User)
    with pytest.raises(CorruptRecord, match="the record is no User"):
        unpack(pack(Person([fields])), User)


@pytest.mark.parametrize("row", [1, 2])
def test_a_person_with_a_taste_that_is_no_number_is_not_finite(row: int) -> None:
    user = User(user_id="u", tastes=Tastes.of(COLUMNS, 301))
    assert user.is_finite()
    user.tastes.table[row, 1] = np.nan
    assert not user.is_finite()


def test_copies_are_equal_until_one_learns() -> None:
    one = Tastes.of(COLUMNS, 301)
    other = deepcopy(one)
    assert one == other != Tastes.of(COLUMNS, 302)
    assert repr(one) == repr(other)
    other.table[MEAN, 0] = 0.5
    assert one != other
    assert one != COLUMNS
