"""Items and what is known of them.

Of MovieLens, in all its shapes, genres and decade; whoever asks for it gets every other column as
well, but for the title, which is free text and teaches a model of attributes nothing. In delimited
text a column of numbers is one, an empty field says nothing, and bars stand between several values.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from recsys.datasets.tables import Row, find_file, is_parquet, open_parquet, read_rows
from recsys.errors import InvalidDataset, InvalidEvent
from recsys.events import MAX_NUMBER, MAX_VALUES, Attributes, check_attributes
from recsys.ids import check_id

__all__ = ["GENRES_AND_DECADE", "items_file", "read_items"]

_NAMES: Final = ("items.csv", "movies.csv", "movies.dat", "u.item", "items.parquet")
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
_KNOWN: Final = frozenset({*_IDS, *_TITLES, *_YEARS, *_U_ITEM, "genres", "class"})
"""Columns that are no attributes by themselves."""
GENRES_AND_DECADE: Final = ("genres", "decade")

_Value = str | bool | float | list[str] | None


class _Record(NamedTuple):
    """One item as its file has it, and how to complain of it."""

    fields: Mapping[str, _Value]
    error: Callable[[str, str], InvalidDataset]


def items_file(path: Path) -> Path | None:
    """Return the file with the items: ``path`` itself, or the one in that folder."""
    return find_file(path, _NAMES) if path.is_dir() else path


def read_items(
    path: Path, names: Collection[str] | None = GENRES_AND_DECADE
) -> dict[str, Attributes] | None:
    """Return the attributes of each item, as far as the file has them.

    Parameters
    ----------
    path
        A file, or a folder that holds ``items.csv``, ``movies.csv``, ``movies.dat`` or ``u.item``,
        plain or gzipped, or ``items.parquet``; ``None`` comes back for a folder with none of them.
    names
        Of attributes: ``genres``, ``decade`` or a column's; ``None`` takes them all.

    Raises
    ------
    InvalidDataset
        Naming file, line and column.
    """
    file = items_file(path)
    if file is None:
        return None
    header, records = _parquet_records(file) if is_parquet(file) else _text_records(file)
    column = next(name for name in _IDS if name in header)
    columns = [name for name in header if name not in _KNOWN]
    wanted = {*GENRES_AND_DECADE, *columns} if names is None else set(names)
    if unknown := sorted(wanted - {*GENRES_AND_DECADE, *columns}):
        there = ", ".join((*GENRES_AND_DECADE, *columns))
        detail = f"there are no attributes {', '.join(unknown)}; there may be {there}"
        raise InvalidDataset(str(file), detail)
    items = dict[str, Attributes]()
    for record in records:
        attributes = {
            name: value
            for name, value in _attributes(record.fields, columns)
            if name in wanted and value not in ("", [], None)
        }
        item_id = _text(record.fields[column])
        try:
            check_id(item_id, column)
            check_attributes(attributes, "attributes")
        except InvalidEvent as error:
            raise record.error(column, str(error)) from None
        items[item_id] = attributes
    return items


def _check(path: str, names: Sequence[str]) -> None:
    if not set(_IDS) & set(names):
        detail = f"expected one of the columns {', '.join(_IDS)}, got {', '.join(names)}"
        raise InvalidDataset(path, detail)
    if twice := {name for name in names if names.count(name) > 1}:
        detail = f"the columns {', '.join(sorted(twice))} are there twice"
        raise InvalidDataset(path, detail)


def _text_records(file: Path) -> tuple[Sequence[str], Iterator[_Record]]:
    columns = _U_ITEM if file.name.removesuffix(".gz") == "u.item" else _DAT
    header: list[str] = []

    def begin(path: str, names: Sequence[str]) -> None:
        _check(path, names)
        header.extend(names)

    rows = list(read_rows(file, columns, begin))
    numeric = [name for name in header if name not in _KNOWN and _is_numeric(rows, name)]
    return header, (_Record(_typed(row.fields, numeric), row.error) for row in rows)


def _is_numeric(rows: Sequence[Row], column: str) -> bool:
    texts = [text for row in rows if (text := row.fields[column])]
    return bool(texts) and all(abs(_number(text)) <= MAX_NUMBER for text in texts)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _typed(fields: Mapping[str, str], numeric: Collection[str]) -> dict[str, _Value]:
    def value(name: str, text: str) -> _Value:
        if not text:
            return None
        if name in numeric:
            return float(text)
        return text.split("|") if "|" in text and name not in _KNOWN else text

    return {name: value(name, text) for name, text in fields.items()}


def _parquet_records(file: Path) -> tuple[Sequence[str], Iterator[_Record]]:
    table = open_parquet(file)
    _check(str(file), table.names)
    column = next(name for name in _IDS if name in table.names)
    columns: dict[str, Sequence[_Value]] = {
        name: table.ids(name) if name == column else table.values(name)
        for name in table.names
        if name == column or name not in _IDS
    }

    def records() -> Iterator[_Record]:
        for row, values in enumerate(zip(*columns.values(), strict=True)):
            fields = dict(zip(columns, values, strict=True))
            yield _Record(fields, partial(table.error, row))

    return table.names, records()


def _attributes(
    fields: Mapping[str, _Value], columns: Sequence[str]
) -> Iterator[tuple[str, _Value]]:
    yield "genres", _genres(fields)
    yield "decade", _decade(fields)
    for name in columns:
        value = fields[name]
        yield name, _several(value) if isinstance(value, list) else value


def _several(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, values)))[:MAX_VALUES]


def _text(value: _Value) -> str:
    """Return a field as a text; a number of a year has no decimal point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _genres(fields: Mapping[str, _Value]) -> list[str]:
    """Return the genres of ``genres`` (between bars), ``class`` (between spaces) or flags."""
    found = fields.get("genres")
    if isinstance(found, list):
        genres = found
    elif "genres" in fields:
        text = _text(found)
        genres = [] if text == _NO_GENRES else [genre.strip() for genre in text.split("|")]
    elif "class" in fields:
        genres = _text(fields["class"]).split()
    else:
        genres = [flag for flag in _FLAGS if fields.get(flag) == "1"]
    return _several(genres)


def _decade(fields: Mapping[str, _Value]) -> str | None:
    """Return ``1990s`` for a year of its own column, or from the end of the title.

    A text, because the catalogue keeps two digits of a number, and those of all years are the same.
    """
    year = _text(_first(fields, _YEARS))
    found = _YEAR.search(year) or _TITLE_YEAR.search(_text(_first(fields, _TITLES)))
    return f"{found[1][:3]}0s" if found else None


def _first(fields: Mapping[str, _Value], names: Sequence[str]) -> _Value:
    return next((fields[name] for name in names if name in fields), None)
