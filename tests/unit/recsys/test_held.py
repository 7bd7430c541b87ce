"""What is held: compiled code reads it, and it is of now."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.arrays import Renewal, grown, moved, pack_array, unpack_array
from recsys.compiled import compiled
from recsys.held import Held, holder


class Inner(NamedTuple):
    """A tuple within a record."""

    values: NDArray[np.float64]


class Record(NamedTuple):
    """Arrays, a number and what is held itself."""

    inner: Inner
    counts: NDArray[np.int64]
    factor: float


class Outer(NamedTuple):
    """Holds what is held."""

    record: Record
    first: int


trusting = Held.__call__
"""Before ``tests.conftest`` makes it wary."""
hold = holder(Record)
hold_outer = holder(Outer)


@compiled
def total(record: Record) -> float:
    """Return a number that every field is part of."""
    result: float = record.factor * record.inner.values.sum() + record.counts[0]
    return result


@compiled
def total_of(outer: Outer) -> float:
    """Read through two of them, and write into an array."""
    outer.record.counts[0] += outer.first
    result: float = outer.record.factor * outer.record.inner.values.sum() + outer.record.counts[0]
    return result


def record(factor: float = 2.0) -> Record:
    return Record(Inner(np.array([1.0, 2.0])), np.array([5]), factor)


def test_compiled_code_reads_the_fields() -> None:
    assert total(hold(record())) == total(record()) == 11.0
    assert total(hold(record(3.0))) == 14.0


def test_an_array_is_the_same_array() -> None:
    made = record()
    held = hold(made)
    made.inner.values[0] = 10.0
    assert total(held) == 29.0
    assert total_of(hold_outer(Outer(held, 4))) == 33.0
    assert made.counts.tolist() == [9]


def test_it_is_made_anew_when_a_field_is_another_object() -> None:
    keeps = Held(hold)
    made = record()
    held = keeps(lambda: made)
    Renewal.declare()
    assert keeps(lambda: Record(*made)) is held
    longer = made._replace(counts=grown(made.counts, 2))
    assert keeps(lambda: longer) is not held
    assert longer.counts.tolist() == [5, 0]
    # Equal is not enough: the arrays would be others.
    Renewal.declare()
    assert trusting(keeps, record) is not held


def test_it_does_not_look_at_fields_before_a_renewal() -> None:
    looked = list[Record]()
    made = record()

    def look() -> Record:
        looked.append(made)
        return made

    # The one that all tests watch looks each time.
    keeps = Held(hold)
    held = [trusting(keeps, look) for _ in range(3)]
    assert looked == [made]
    assert held[0] is held[2]
    Renewal.declare()
    assert trusting(keeps, look) is held[0]
    assert looked == [made, made]


@pytest.mark.parametrize(
    "renew",
    [
        lambda: grown(np.zeros(3), 4),
        lambda: moved(np.zeros(3), np.array([2, 1, 0]), 3),
        lambda: unpack_array(pack_array(np.zeros(3)), np.float64),
    ],
    ids=["grown", "moved", "unpacked"],
)
def test_whoever_makes_a_successor_declares_it(renew: Callable[[], object]) -> None:
    before = Renewal.latest
    assert grown(np.zeros(3), 3).shape == (3,)
    assert Renewal.latest is before, "it is the same array"
    renew()
    assert Renewal.latest is not before


def test_a_look_that_fails_is_taken_again() -> None:
    keeps = Held(hold)
    held = trusting(keeps, record)
    longer = record()._replace(counts=grown(np.zeros(1, np.int64), 2))

    def fail() -> Record:
        raise MemoryError

    with pytest.raises(MemoryError):
        trusting(keeps, fail)
    assert trusting(keeps, lambda: longer) is not held


def test_what_its_own_look_renews_is_looked_at_again() -> None:
    keeps = Held(hold)
    counts = np.array([5])

    def look() -> Record:
        nonlocal counts
        counts = grown(counts, 2)
        return record()._replace(counts=counts)

    first = trusting(keeps, look)
    assert trusting(keeps, look) is not first
    # The inner arrays are others each time; the one that has grown stays.
    assert len(counts) == 2


def test_what_is_held_outlives_its_record() -> None:
    held = [hold(record(float(n))) for n in range(50)]
    assert [total(one) for one in held] == [3.0 * n + 5.0 for n in range(50)]
