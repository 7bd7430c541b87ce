"""Items with the same attributes, known by one number: what is worth the same is summed up once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Renewal, grown

__all__ = ["ATTRIBUTE_COLUMNS", "AttributeSets"]

ATTRIBUTE_COLUMNS = 16
"""Attribute tokens that count per item; further ones are ignored."""


class AttributeSets:
    """The distinct sets of attribute tokens, as many as there are items at most.

    The number of a set that no item has any more is given to the next new one.
    """

    def __init__(self) -> None:
        self._tokens = np.full((64, ATTRIBUTE_COLUMNS), -1, np.int32)
        self._shown = self._tokens[:0]
        self._of_item = np.full(64, -1, np.int32)
        self._numbers: dict[tuple[int, ...], int] = {}
        self._members = list[int]()
        self._free = list[int]()

    @property
    def tokens(self) -> NDArray[np.int32]:
        """Tokens of each set, then -1, shape ``(n_sets, ATTRIBUTE_COLUMNS)``.

        Whole rows, so that the array has one layout for ever: code is compiled for a layout. The
        same array until there is another set.
        """
        return self._shown

    @property
    def of_item(self) -> NDArray[np.int32]:
        """Which set each item has, shape ``(n_items or more,)``."""
        return self._of_item

    def place(self, item: int, tokens: Sequence[int]) -> None:
        """Give an item a set of tokens, up to ``ATTRIBUTE_COLUMNS`` of them."""
        self._of_item = grown(self._of_item, item + 1, fill=-1)
        self._leave(int(self._of_item[item]))
        key = tuple(tokens)
        number = self._numbers.get(key)
        if number is None:
            number = self._new(key)
        self._members[number] += 1
        self._of_item[item] = number

    def _leave(self, number: int) -> None:
        if number < 0:
            return
        self._members[number] -= 1
        if not self._members[number]:
            row = self._tokens[number]
            del self._numbers[tuple(row[row >= 0].tolist())]
            row[:] = -1
            self._free.append(number)

    def _new(self, key: tuple[int, ...]) -> int:
        Renewal.declare()
        if self._free:
            number = self._free.pop()
        else:
            number = len(self._members)
            self._members.append(0)
            self._tokens = grown(self._tokens, number + 1, fill=-1)
            self._shown = self._tokens[: number + 1]
        self._numbers[key] = number
        self._tokens[number, : len(key)] = key
        return number
