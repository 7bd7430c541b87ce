"""Who did what with which item and when, in the order of time."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Final, Self

import msgspec

from recsys.datasets.tables import Row, find_file, open_bytes, read_rows
from recsys.datasets.times import exact_ms, rounded_ms
from recsys.errors import InvalidDataset, InvalidEvent
from recsys.events import MAX_NUMBER
from recsys.ids import check_id

__all__ = ["Columns", "Interaction", "fingerprint", "read_interactions"]

_NAMES: Final = ("ratings.csv", "u.data", "ratings.dat", "interactions.csv", "events.csv")
_MOVIELENS: Final = ("user", "item", "rating", "timestamp")
_GUESSES: Final = {
    "user": ("user", "user_id", "userId"),
    "item": ("item", "item_id", "movieId", "movie_id"),
    "time": ("timestamp", "time", "ts"),
    "rating": ("rating",),
}
_NEXT_COLUMN: Final = re.compile(r",(?=\s*\w+\s*=)")


class Interaction(msgspec.Struct, frozen=True, gc=False):
    """One row.

    Attributes
    ----------
    rating
        ``None`` where the file has no such column: the row alone says that it happened.
    line
        Its line in the unpacked file.
    """

    user: str
    item: str
    ts_ms: int
    rating: float | None
    line: int


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a file."""

    user: str
    item: str
    time: str
    rating: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``user=U,item=I,time=T[,rating=R]``; names may have commas and equals signs.

        Raises
        ------
        ValueError
            Saying what is missing or unknown.
        """
        names = {}
        for part in _NEXT_COLUMN.split(text):
            key, equals, name = part.partition("=")
            if not equals or not name.strip() or key.strip() not in _GUESSES:
                message = f"expected user=U,item=I,time=T[,rating=R], got {part!r}"
                raise ValueError(message)
            names[key.strip()] = name.strip()
        if missing := {"user", "item", "time"} - set(names):
            message = f"no column is named for {', '.join(sorted(missing))}"
            raise ValueError(message)
        return cls(**names)


def fingerprint(path: Path) -> str:
    """Return 16 hexadecimal digits that stand for the unpacked content of a file or folder."""
    digest = hashlib.blake2b(digest_size=8)
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
        ``interactions.csv`` or ``events.csv``, plain or gzipped.
    columns
        ``None`` finds the usual names of MovieLens.

    Raises
    ------
    InvalidDataset
        Naming file, line and column.
    """
    file = _file(path)
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


class _Reader:
    """Turns rows into interactions; equal texts become one object, for there are millions."""

    _columns: Columns

    def __init__(self, wanted: Columns | None) -> None:
        self._wanted = wanted
        self._ids: dict[str, str] = {}
        self._ratings: dict[str, float] = {}

    def begin(self, path: str, names: Sequence[str]) -> None:
        """Find the columns."""
        columns = self._wanted or _guess(path, names)
        for column in (columns.user, columns.item, columns.time, columns.rating):
            if column is not None and names.count(column) != 1:
                fault = "there is no such column" if column not in names else "it is there twice"
                detail = f"{fault}; the file has {', '.join(names)}"
                raise InvalidDataset(path, detail, None, column)
        self._columns = columns

    def read(self, row: Row) -> tuple[int | Decimal, Interaction]:
        """Return the unrounded time, to sort by, and the interaction."""
        columns = self._columns
        user, item = self._id(row, columns.user), self._id(row, columns.item)
        exact, ts_ms = self._time(row, columns.time)
        rating = None if columns.rating is None else self._rating(row, columns.rating)
        return exact, Interaction(user, item, ts_ms, rating, row.line)

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


def _guess(path: str, names: Sequence[str]) -> Columns:
    found = {
        key: next((guess for guess in guesses if guess in names), None)
        for key, guesses in _GUESSES.items()
    }
    user, item, time = found["user"], found["item"], found["time"]
    if user is None or item is None or time is None:
        detail = (
            f"columns for user, item and time are not found among {', '.join(names)}; "
            "name them: user=U,item=I,time=T[,rating=R]"
        )
        raise InvalidDataset(path, detail)
    return Columns(user, item, time, found["rating"])
