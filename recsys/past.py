"""What a person was shown and what they are done with, as arrays that compiled code reads as is."""

from collections.abc import Iterable
from itertools import chain
from typing import Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.codec import Recorded, row_from
from recsys.compiled import compiled

__all__ = ["Consumed", "Seen", "longer"]

_Integer = TypeVar("_Integer", np.int32, np.int64)

_NEVER: Final = np.zeros((2, 0), np.int32)
_NOTHING: Final = np.zeros(0, np.int32)


class Seen(Recorded):
    """How often a person was shown items.

    Attributes
    ----------
    table
        A column for each item, those shown last at the end: the item and how often; int32, shape
        ``(2, n_seen)``. Nobody writes into it: who counts puts another one in its place.
    """

    __slots__ = ("table",)

    def __init__(self, table: NDArray[np.int32] = _NEVER) -> None:
        self.table = table

    @classmethod
    def of(cls, counts: Iterable[tuple[int, int]]) -> Self:
        """Return what holds these items and how often each was shown."""
        columns = np.array([*counts], np.int32)
        # In the order of rows, as all others are: compiled code knows a transposed array as another
        # type.
        return cls(np.ascontiguousarray(columns.T)) if len(columns) else cls()

    def counts(self) -> list[tuple[int, int]]:
        """Return items and how often each was shown."""
        items, times = self.table.tolist()
        return list(zip(items, times, strict=True))

    def count(self, items: NDArray[np.int32], bound: int) -> None:
        """Count that items were shown, one after the other; those shown last are kept."""
        # What compiled code has made belongs to more than it needs.
        self.table = _counted(self.table, items, bound).copy()

    def drop(self, item: int) -> None:
        """Forget an item."""
        others = self.table[0] != item
        if not others.all():
            self.table = self.table.compress(others, axis=1)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and np.array_equal(self.table, other.table)

    __hash__ = None  # type: ignore[assignment] # they change

    @override
    def __repr__(self) -> str:
        return repr(self.to_record())

    @override
    def to_record(self) -> object:
        return dict(self.counts())

    @override
    @classmethod
    def from_record(cls, record: object) -> Self:
        if not isinstance(record, dict):
            message = f"a map of counts was expected, got {type(record).__name__}"
            raise ValueError(message)
        if not record:
            return cls()
        numbers = row_from(chain(record, record.values()), np.int32)
        return cls(numbers.reshape(2, len(record)))


class Consumed(Recorded):
    """Items that a person is done with.

    Attributes
    ----------
    items
        Oldest first, int32, shape ``(n_consumed,)``; nobody writes into it.
    """

    __slots__ = ("items",)

    def __init__(self, items: NDArray[np.int32] = _NOTHING) -> None:
        self.items = items

    @classmethod
    def of(cls, items: Iterable[int]) -> Self:
        """Return what holds these items, each of them once."""
        return cls(np.array([*items], np.int32))

    def add(self, item: int, bound: int) -> None:
        """Put an item at the end; the newest are kept."""
        self.items = longer(self.items[self.items != item], item, bound)

    def __contains__(self, item: int) -> bool:
        """Return whether an item is among them."""
        return bool((self.items == item).any())

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Consumed) and np.array_equal(self.items, other.items)

    __hash__ = None  # type: ignore[assignment] # they change

    @override
    def __repr__(self) -> str:
        return repr(self.items.tolist())

    @override
    def to_record(self) -> object:
        return dict.fromkeys(self.items.tolist())

    @override
    @classmethod
    def from_record(cls, record: object) -> Self:
        if not isinstance(record, dict):
            message = f"a map was expected, got {type(record).__name__}"
            raise ValueError(message)
        return cls(row_from(record, np.int32))


def longer(row: NDArray[_Integer], value: int, bound: int) -> NDArray[_Integer]:
    """Return a row with a value behind it, its last ``bound`` numbers, in memory of its own."""
    kept = row[-(bound - 1) :] if bound > 1 else row[:0]
    out = np.empty(len(kept) + 1, row.dtype)
    out[:-1] = kept
    out[-1] = value
    return out


@compiled
def _counted(table: NDArray[np.int32], items: NDArray[np.int32], bound: int) -> NDArray[np.int32]:
    """Return the table after items were shown, see ``Seen.count``."""
    n, n_shown = table.shape[1], items.shape[0]
    longer = np.empty((2, n + n_shown), np.int32)
    longer[:, :n] = table
    first = 0
    for i in range(n_shown):
        item, times = items[i], 0
        for place in range(first, n):
            if longer[0, place] == item:
                times = longer[1, place]
                for behind in range(place + 1, n):
                    longer[0, behind - 1] = longer[0, behind]
                    longer[1, behind - 1] = longer[1, behind]
                n -= 1
                break
        longer[0, n] = item
        longer[1, n] = times + 1
        n += 1
        # At once: who leaves and is shown again by the same list begins anew.
        first = max(first, n - bound)
    return longer[:, first:n]
