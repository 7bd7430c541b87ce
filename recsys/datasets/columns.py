"""Which column of a file is what: by the names that people use, or as they say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from recsys.errors import InvalidDataset

__all__ = ["Columns", "check_columns", "guess_columns"]

_GUESSES: Final = {
    "user": ("user", "user_id", "userId"),
    "item": ("item", "item_id", "movieId", "movie_id"),
    "time": ("timestamp", "time", "ts"),
    "rating": ("rating",),
    "type": ("type", "event_type"),
}
_TYPED_RATING: Final = ("value", "rating")
"""Where a type says what happened, the number beside it is not always one of stars."""
_NEXT_COLUMN: Final = re.compile(r",(?=\s*\w+\s*=)")
_FORM: Final = "user=U,item=I,time=T[,rating=R][,type=Y]"


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a file.

    Attributes
    ----------
    rating
        Stars; where ``type`` is named, the value of that type.
    type
        One of ``recsys.events.FEEDBACK_TYPES``.
    """

    user: str
    item: str
    time: str
    rating: str | None = None
    type: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``user=U,item=I,time=T[,rating=R][,type=Y]``; names may have commas and ``=``.

        Raises
        ------
        ValueError
            Saying what is missing or unknown.
        """
        names = {}
        for part in _NEXT_COLUMN.split(text):
            key, equals, name = part.partition("=")
            if not equals or not name.strip() or key.strip() not in _GUESSES:
                message = f"expected {_FORM}, got {part!r}"
                raise ValueError(message)
            names[key.strip()] = name.strip()
        if missing := {"user", "item", "time"} - set(names):
            message = f"no column is named for {', '.join(sorted(missing))}"
            raise ValueError(message)
        return cls(**names)

    @property
    def all(self) -> list[str]:
        """The names, of those that there are."""
        columns = (self.user, self.item, self.time, self.rating, self.type)
        return [column for column in columns if column is not None]


def check_columns(path: str, wanted: Columns | None, names: Sequence[str]) -> Columns:
    """Return the columns of a file that has ``names``.

    Raises
    ------
    InvalidDataset
        When one is not there, or is there twice.
    """
    columns = wanted or guess_columns(path, names)
    for column in columns.all:
        if names.count(column) != 1:
            fault = "there is no such column" if column not in names else "it is there twice"
            detail = f"{fault}; the file has {', '.join(names)}"
            raise InvalidDataset(path, detail, None, column)
    return columns


def guess_columns(path: str, names: Sequence[str]) -> Columns:
    """Find the columns by their usual names.

    Raises
    ------
    InvalidDataset
        When there are none for user, item or time.
    """

    def first(guesses: Sequence[str]) -> str | None:
        return next((guess for guess in guesses if guess in names), None)

    user, item, time, rating, type_ = (first(guesses) for guesses in _GUESSES.values())
    if user is None or item is None or time is None:
        detail = (
            f"columns for user, item and time are not found among {', '.join(names)}; "
            f"name them: {_FORM}"
        )
        raise InvalidDataset(path, detail)
    return Columns(user, item, time, rating if type_ is None else first(_TYPED_RATING), type_)
