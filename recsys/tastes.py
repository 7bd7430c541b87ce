"""What the personal bandit knows of one person, as one table that compiled code reads as it is."""

from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.codec import Recorded

__all__ = ["LEFT", "MEAN", "TOKEN", "TOUCHED", "Tastes"]

TOKEN, MEAN, LEFT, TOUCHED = 0, 1, 2, 3
"""Rows of the table."""

_Token = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Record(msgspec.Struct):
    mean: dict[_Token, float] = {}
    left: dict[_Token, float] = {}
    touched: dict[_Token, _Count] = {}
    lessons: _Count = 0


_NONE: Final = np.zeros((4, 0))


class Tastes(Recorded):
    """The posterior over attributes, as of a lesson; owned by ``recsys.learners.personal_bandit``.

    In memory a quarter of what dictionaries take; in a record still one of them for each row.

    Attributes
    ----------
    table
        A column for each attribute, in the order in which they came: its token, the mean, the share
        of the prior's variance that is left, and the lesson that touched it last. float64, shape
        ``(4, n_tokens_known)``. Nobody writes into it, so that copies may share it: who learns puts
        another one in its place.
    lessons
        How many there were.
    """

    __slots__ = ("lessons", "table")

    def __init__(self, table: NDArray[np.float64] = _NONE, lessons: int = 0) -> None:
        self.table = table
        self.lessons = lessons

    @classmethod
    def of(cls, columns: Iterable[tuple[int, float, float, int]], lessons: int) -> Self:
        """Return the tastes that have these columns."""
        return cls(np.array([*zip(*columns, strict=True)] or _NONE, np.float64), lessons)

    def columns(self) -> list[tuple[int, float, float, int]]:
        """Return token, mean, share that is left, and last lesson of each attribute."""
        tokens, means, left, touched = self.table.tolist()
        return list(zip(map(int, tokens), means, left, map(int, touched), strict=True))

    @property
    def mean(self) -> dict[int, float]:
        """Mean by token; a copy."""
        return {token: mean for token, mean, _, _ in self.columns()}

    @property
    def left(self) -> dict[int, float]:
        """Share of the prior's variance that is left, by token; a copy."""
        return {token: left for token, _, left, _ in self.columns()}

    @property
    def touched(self) -> dict[int, int]:
        """Lesson that touched it last, by token; a copy."""
        return {token: touched for token, _, _, touched in self.columns()}

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tastes):
            return NotImplemented
        return self.lessons == other.lessons and np.array_equal(self.table, other.table)

    __hash__ = None  # type: ignore[assignment] # they change

    @override
    def __repr__(self) -> str:
        return repr(self.to_record())

    @override
    def to_record(self) -> object:
        tokens, touched = self.table[[TOKEN, TOUCHED]].astype(np.int64).tolist()
        means, left = self.table[[MEAN, LEFT]].tolist()
        return _Record(
            dict(zip(tokens, means, strict=True)),
            dict(zip(tokens, left, strict=True)),
            dict(zip(tokens, touched, strict=True)),
            self.lessons,
        )

    @override
    @classmethod
    def from_record(cls, record: object) -> Self:
        found = msgspec.convert(record, _Record)
        mean, left, touched = found.mean, found.left, found.touched
        if not mean.keys() == left.keys() == touched.keys():
            message = "means, shares left and lessons are not of the same attributes"
            raise ValueError(message)
        rows = (mean, mean.values(), map(left.get, mean), map(touched.get, mean))
        table = np.fromiter(chain(*rows), np.float64, 4 * len(mean))
        # A view would keep two arrays.
        return cls(table.reshape(4, len(mean)).copy(), found.lessons)
