"""What is held: compiled code reads it, and it is of now."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    held = keeps(made)
    assert keeps(Record(*made)) is held
    grown = made._replace(counts=np.array([100, 0]))
    assert keeps(grown) is not held
    assert total(keeps(grown)) == 106.0
    # Equal is not enough: the arrays would be others.
    assert keeps(record()) is not keeps(record())


def test_what_is_held_outlives_its_record() -> None:
    held = [hold(record(float(n))) for n in range(50)]
    assert [total(one) for one in held] == [3.0 * n + 5.0 for n in range(50)]
