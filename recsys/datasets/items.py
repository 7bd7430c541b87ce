"""Items and what is known of them: genres and decade.

A title is free text, which teaches a model of attributes nothing, and is left out.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recsys.datasets.tables import Row, find_file, read_rows
from recsys.errors import InvalidDataset, InvalidEvent
from recsys.events import MAX_VALUES, Attributes, check_attributes
from recsys.ids import check_id

__all__ = ["read_items"]

_NAMES: Final = ("items.csv", "movies.csv", "movies.dat", "u.item")
_IDS: Final = ("item", "item_id", "movieId", "movie_id")
_TITLES: Final = ("title", "movie_title")
_YEARS: Final = ("year", "release_year")
_YEAR: Final = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")
_TITLE_YEAR: Final = re.compile(r"\((\d{4})\)\s*$")
_NO_GENRES: Final = "(no genres listed)"
_DAT: Final = ("item", "title", "genres")
_FLAGS: Final = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
_U_ITEM: Final = ("item", "title", "year", "video", "url", *_FLAGS)


def read_items(path: Path) -> dict[str, Attributes] | None:
    """Return the attributes ``genres`` and ``decade`` of each item, as far as the file has them.

    Parameters
    ----------
    path
        A file, or a folder that holds ``items.csv``, ``movies.csv``, ``movies.dat`` or ``u.item``,
        plain or gzipped; ``None`` comes back for a folder with none of them.

    Raises
    ------
    InvalidDataset
        Naming file, line and column.
    """
    file = find_file(path, _NAMES) if path.is_dir() else path
    if file is None:
        return None
    columns = _U_ITEM if file.name.removesuffix(".gz") == "u.item" else _DAT
    items: dict[str, Attributes] = {}
    for row in read_rows(file, columns, _check):
        column = next(name for name in _IDS if name in row.fields)
        attributes: Attributes = {}
        if genres := _genres(row):
            attributes["genres"] = genres
        if (decade := _decade(row)) is not None:
            attributes["decade"] = decade
        try:
            check_id(row.fields[column], column)
            check_attributes(attributes, "attributes")
        except InvalidEvent as error:
            raise row.error(column, str(error)) from None
        items[row.fields[column]] = attributes
    return items


def _check(path: str, names: Sequence[str]) -> None:
    if not set(_IDS) & set(names):
        detail = f"expected one of the columns {', '.join(_IDS)}, got {', '.join(names)}"
        raise InvalidDataset(path, detail)


def _first(row: Row, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in row.fields), None)


def _genres(row: Row) -> list[str]:
    """Return the genres of ``genres`` (between bars), ``class`` (between spaces) or flags."""
    if (text := row.fields.get("genres")) is not None:
        found = [] if text == _NO_GENRES else [genre.strip() for genre in text.split("|")]
    elif (text := row.fields.get("class")) is not None:
        found = text.split()
    else:
        found = [flag for flag in _FLAGS if row.fields.get(flag) == "1"]
    return list(dict.fromkeys(filter(None, found)))[:MAX_VALUES]


def _decade(row: Row) -> str | None:
    """Return ``1990s`` for a year of its own column, or from the end of the title.

    A text, because the catalogue keeps two digits of a number, and those of all years are the same.
    """
    column = _first(row, _YEARS)
    title = _first(row, _TITLES)
    found = _YEAR.search(row.fields[column]) if column else None
    if found is None and title is not None:
        found = _TITLE_YEAR.search(row.fields[title])
    return f"{found[1][:3]}0s" if found else None
