"""Who was shown which items when, and which of them were clicked: the format of MIND.

MIND (Wu et al. 2020, https://msnews.github.io) comes as tab-separated files without a first line of
names. ``behaviors.tsv`` has an impression per line: its id, the user, a time such as
``11/12/2019 2:14:46 PM``, the items that the user had clicked before, oldest first and without
times, and the items shown, ``N1-0`` for one that was passed over and ``N2-1`` for one that was
clicked. The order of the shown items was shuffled by the publishers and says nothing. ``news.tsv``
has an item per line: its id, category, subcategory and text.
"""

from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec

from recsys.datasets.tables import Row, find_file, read_rows
from recsys.datasets.times import rounded_ms
from recsys.errors import InvalidDataset, InvalidEvent
from recsys.events import MAX_SLOTS, Attributes, check_attributes
from recsys.ids import check_id

__all__ = ["Impression", "read_impressions", "read_news"]

_BEHAVIORS: Final = "behaviors.tsv"
_NEWS: Final = "news.tsv"
_BEHAVIOR_COLUMNS: Final = ("impression", "user", "time", "history", "shown")
_NEWS_COLUMNS: Final = (
    "item", "category", "subcategory", "title", "abstract", "url", "title_entities",
    "abstract_entities",
)  # fmt: skip
_ATTRIBUTES: Final = ("category", "subcategory")
_TIME: Final = "%m/%d/%Y %I:%M:%S %p"
_CLICKED: Final = {"0": False, "1": True}


class Impression(msgspec.Struct, frozen=True, gc=False):
    """One list that was shown.

    Attributes
    ----------
    ts_ms
        The time as written, taken for UTC.
    history
        Items that the user had clicked before, oldest first; an item may be there twice.
    shown
        Items and whether they were clicked, each item once.
    line
        Its line in the unpacked file.
    """

    impression_id: str
    user: str
    ts_ms: int
    history: tuple[str, ...]
    shown: tuple[tuple[str, bool], ...]
    line: int


def read_impressions(path: Path) -> list[Impression]:
    """Return all impressions, sorted by time; those of the same time stay in the file's order.

    An item that one impression shows twice counts once, as clicked if it was clicked at all.

    Parameters
    ----------
    path
        A file, or a folder that holds ``behaviors.tsv``, plain or gzipped.

    Raises
    ------
    InvalidDataset
        Naming file, line and column.
    """
    file = find_file(path, (_BEHAVIORS,)) if path.is_dir() else path
    if file is None:
        detail = f"the folder has no {_BEHAVIORS}, plain or with .gz"
        raise InvalidDataset(str(path), detail)
    reader = _Reader()
    rows = read_rows(file, _BEHAVIOR_COLUMNS, header=False)
    return sorted((reader.read(row) for row in rows), key=attrgetter("ts_ms"))


def read_news(path: Path) -> dict[str, Attributes] | None:
    """Return the attributes ``category`` and ``subcategory`` of each item.

    Titles and abstracts are free text, which teaches a model of attributes nothing.

    Parameters
    ----------
    path
        A file, or a folder that holds ``news.tsv``, plain or gzipped; ``None`` comes back for a
        folder without it.

    Raises
    ------
    InvalidDataset
        Naming file, line and column.
    """
    file = find_file(path, (_NEWS,)) if path.is_dir() else path
    if file is None:
        return None
    items: dict[str, Attributes] = {}
    for row in read_rows(file, _NEWS_COLUMNS, header=False):
        attributes: Attributes = {
            column: row.fields[column] for column in _ATTRIBUTES if row.fields[column]
        }
        try:
            check_id(row.fields["item"], "item")
            check_attributes(attributes, "attributes")
        except InvalidEvent as error:
            raise row.error("item", str(error)) from None
        items[row.fields["item"]] = attributes
    return items


class _Reader:
    """Turns rows into impressions; equal ids become one object, for there are millions."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def read(self, row: Row) -> Impression:
        fields = row.fields
        return Impression(
            self._id(row, "impression", fields["impression"]),
            self._id(row, "user", fields["user"]),
            _ts_ms(row),
            tuple(self._id(row, "history", text) for text in fields["history"].split()),
            self._shown(row),
            row.line,
        )

    def _shown(self, row: Row) -> tuple[tuple[str, bool], ...]:
        shown = dict[str, bool]()
        for text in row.fields["shown"].split():
            name, _, label = text.rpartition("-")
            if label not in _CLICKED:
                detail = f"expected ITEM-0 (passed over) or ITEM-1 (clicked), got {text!r}"
                raise row.error("shown", detail)
            item = self._id(row, "shown", name)
            shown[item] = shown.get(item, False) or _CLICKED[label]
        if not 1 <= len(shown) <= MAX_SLOTS:
            raise row.error("shown", f"expected 1 to {MAX_SLOTS} items, got {len(shown)}")
        return tuple(shown.items())

    def _id(self, row: Row, column: str, text: str) -> str:
        if (known := self._ids.get(text)) is not None:
            return known
        try:
            check_id(text, column)
        except InvalidEvent as error:
            raise row.error(column, error.detail) from None
        return self._ids.setdefault(text, text)


def _ts_ms(row: Row) -> int:
    text = row.fields["time"]
    try:
        moment = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        detail = f"expected a time such as 11/12/2019 2:14:46 PM, got {text!r}"
        raise row.error("time", detail) from None
    try:
        return rounded_ms(round(moment.timestamp()) * 1000, text)
    except ValueError as error:
        raise row.error("time", str(error)) from None
