"""Who did what with which item and when, in the order of time."""

import hashlib
import math
from collections.abc import Sequence
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec

from recsys.datasets.columns import Columns, check_columns
from recsys.datasets.tables import (
    Row,
    find_file,
    is_parquet,
    open_bytes,
    open_parquet,
    read_rows,
)
from recsys.datasets.times import exact_ms, rounded_ms
from recsys.errors import InvalidDataset, InvalidEvent
from recsys.events import FEEDBACK_TYPES, MAX_NUMBER
from recsys.ids import check_id

__all__ = ["Interaction", "fingerprint", "read_interactions"]

_NAMES: Final = (
    "ratings.csv", "u.data", "ratings.dat", "interactions.csv", "events.csv",
    "ratings.parquet", "interactions.parquet", "events.parquet",
)  # fmt: skip
_MOVIELENS: Final = ("user", "item", "rating", "timestamp")


class Interaction(msgspec.Struct, frozen=True, gc=False):
    """One row.

    Attributes
    ----------
    rating
        Stars, or the value of ``type`` where there is one. ``None`` where the file has no such
        column, and the row alone says that it happened, or where a type needs no value.
    line
        Its line in the unpacked file, or its row in Parquet, from 1 on.
    type
        What happened, where the file says so.
    """

    user: str
    item: str
    ts_ms: int
    rating: float | None
    line: int
    type: str | None = None


def fingerprint(path: Path, *reading: str) -> str:
    """Return 16 hexadecimal digits that stand for the unpacked content of a file or folder.

    Parameters
    ----------
    reading
        What else decides what is read from it.
    """
    digest = hashlib.blake2b("\0".join(reading).encode(), digest_size=8)
    with open_bytes(_file(path)) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_interactions(path: Path, columns: Columns | None = None) -> list[Interaction]:
    """Return all rows, sorted by time; rows of the same time stay in the order of the file.

    The order is that of the times as written, which may be finer than a millisecond.

    Parameters
    ----------
    path
        A file, or a folder that holds ``ratings.csv``, ``u.data``, ``ratings.dat``,
        ``interactions.csv`` or ``events.csv``, plain or gzipped, or one of these names with
        ``.parquet``.
    columns
        ``None`` finds the usual names of MovieLens.

    Raises
    ------
    InvalidDataset
        Naming file, line and column.
    """
    file = _file(path)
    if is_parquet(file):
        return _read_parquet(file, columns)
    reader = _Reader(columns)
    found = [reader.read(row) for row in read_rows(file, _MOVIELENS, reader.begin)]
    found.sort(key=itemgetter(0))
    return [interaction for _, interaction in found]


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    if (found := find_file(path, _NAMES)) is None:
        detail = f"the folder holds none of {', '.join(_NAMES)}, plain or with .gz"
        raise InvalidDataset(str(path), detail)
    return found


def _read_parquet(file: Path, wanted: Columns | None) -> list[Interaction]:
    table = open_parquet(file)
    columns = check_columns(str(file), wanted, table.names)
    users, items = table.ids(columns.user), table.ids(columns.item)
    order, ts_ms = table.times(columns.time)
    types: Sequence[str | None] = [None] * len(users)
    ratings: Sequence[float | None] = [None] * len(users)
    if columns.type is not None:
        types = table.texts(columns.type, check_type)
    if columns.rating is not None:
        ratings = table.numbers(columns.rating, optional=columns.type is not None)
    return [
        Interaction(users[row], items[row], ts_ms[row], ratings[row], row + 1, types[row])
        for row in order.tolist()
    ]


def check_type(text: str) -> None:
    """Refuse what is no type of feedback.

    Raises
    ------
    ValueError
        Saying what there is.
    """
    if text not in FEEDBACK_TYPES:
        message = (
            f"expected one of {', '.join(FEEDBACK_TYPES)}, got {text!r}; rename the types, or name "
            "the columns without it: user=U,item=I,time=T"
        )
        raise ValueError(message)


class _Reader:
    """Turns rows into interactions; equal texts become one object, for there are millions."""

    _columns: Columns

    def __init__(self, wanted: Columns | None) -> None:
        self._wanted = wanted
        self._ids: dict[str, str] = {}
        self._ratings: dict[str, float] = {}
        self._types: dict[str, str] = {}

    def begin(self, path: str, names: Sequence[str]) -> None:
        """Find the columns."""
        self._columns = check_columns(path, self._wanted, names)

    def read(self, row: Row) -> tuple[int | Decimal, Interaction]:
        """Return the unrounded time, to sort by, and the interaction."""
        columns = self._columns
        user, item = self._id(row, columns.user), self._id(row, columns.item)
        exact, ts_ms = self._time(row, columns.time)
        type_ = None if columns.type is None else self._type(row, columns.type)
        rating = None
        # What somebody clicked on has no value.
        if columns.rating is not None and (type_ is None or row.fields[columns.rating]):
            rating = self._rating(row, columns.rating)
        return exact, Interaction(user, item, ts_ms, rating, row.line, type_)

    def _type(self, row: Row, column: str) -> str:
        text = row.fields[column]
        if (known := self._types.get(text)) is not None:
            return known
        try:
            check_type(text)
        except ValueError as error:
            raise row.error(column, str(error)) from None
        return self._types.setdefault(text, text)

    def _id(self, row: Row, column: str) -> str:
        text = row.fields[column]
        if (known := self._ids.get(text)) is not None:
            return known
        try:
            check_id(text, column)
        except InvalidEvent as error:
            raise row.error(column, error.detail) from None
        return self._ids.setdefault(text, text)

    def _time(self, row: Row, column: str) -> tuple[int | Decimal, int]:
        text = row.fields[column]
        try:
            exact = exact_ms(text)
            return exact, rounded_ms(exact, text)
        except ValueError as error:
            raise row.error(column, str(error)) from None

    def _rating(self, row: Row, column: str) -> float:
        text = row.fields[column]
        if (known := self._ratings.get(text)) is not None:
            return known
        try:
            rating = float(text)
        except ValueError:
            rating = math.nan
        if not abs(rating) <= MAX_NUMBER:
            raise row.error(column, f"expected a number within ±{MAX_NUMBER:g}, got {text!r}")
        return self._ratings.setdefault(text, rating)
