"""Reads a history from files, and says what is wrong with them before anything is touched."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import typer

from actors.cli.problems import check_clicks, fail
from actors.settings import ServerSettings
from actors.training.history import History
from recsys.clock import now_ms
from recsys.datasets import (
    GENRES_AND_DECADE,
    Columns,
    Interaction,
    fingerprint,
    items_file,
    read_interactions,
    read_items,
)
from recsys.errors import InvalidDataset

__all__ = ["Source", "describe", "read_history"]

_WRONG_INPUT: Final = 2
_PARQUET: Final = (".parquet", ".pq")
_TEXT: Final = (".csv", ".tsv", ".txt", ".dat", ".data", ".item")
_EARLIEST_MS: Final = 100_000_000_000
"""March 1973; a server takes a smaller number for a time in seconds and refuses it."""


class Source(NamedTuple):
    """Where a history is, in the words of the command line.

    Attributes
    ----------
    columns
        As ``Columns.parse`` reads them.
    attributes
        Names with commas between; ``None`` for all that ``items`` has.
    """

    path: Path
    columns: str | None = None
    click_at: float = 5.0
    items: Path | None = None
    attributes: str | None = None


def read_history(source: Source, settings: ServerSettings) -> History:
    """Read and check it all, or say what is wrong with it and end with status 2."""
    for path in filter(None, (source.path, source.items)):
        _check_kind(path)
    try:
        columns = None if source.columns is None else Columns.parse(source.columns)
        interactions = read_interactions(source.path, columns)
        if not interactions:
            fail(f"{source.path}: there are no events in it", _WRONG_INPUT)
        check_clicks(interactions, source.click_at)
        history = History(interactions, fingerprint(source.path), source.click_at)
        history = _with_items(history, source)
    except InvalidDataset as error:
        fail(str(error), _WRONG_INPUT)
    except ValueError as error:
        fail(f"--columns: {error}", _WRONG_INPUT)
    _check_times(history, source.path, settings)
    _check_room(history, settings)
    return history


def describe(history: History) -> str:
    """Return what is in it."""
    rows = history.interactions
    names = sorted({name for attributes in history.items.values() for name in attributes})
    described = f"; {len(history.items):,} items come with {', '.join(names) or 'nothing more'}"
    return (
        f"{len(rows):,} events of {len(history.users):,} people with {len(history.touched):,} "
        f"items, {_moment(rows[0])} to {_moment(rows[-1])}"
        f"{described if history.items else ''}"
    )


def _check_kind(path: Path) -> None:
    if not path.exists():
        fail(f"{path}: there is no such file or folder", _WRONG_INPUT)
    kind = Path(path.name.removesuffix(".gz")).suffix.lower()
    if path.is_dir() or kind in (_PARQUET if path.suffix != ".gz" else ()) or kind in _TEXT:
        return
    fail(
        f"{path}: what this file is cannot be told from its name; it may be Parquet "
        f"({', '.join(_PARQUET)}) or have columns ({', '.join(_TEXT)}, these also with .gz)",
        _WRONG_INPUT,
    )


def _with_items(history: History, source: Source) -> History:
    """Read the items that were named, or those that lie in the same folder."""
    path = source.items or (source.path if source.path.is_dir() else None)
    if path is None or (file := items_file(path)) is None:
        if source.attributes is not None or source.items is not None:
            fail(f"{source.items or source.path}: there is no file of items", _WRONG_INPUT)
        return history
    # A folder may be a data set whose files hold more than what people like.
    names: Sequence[str] | None = GENRES_AND_DECADE if source.items is None else None
    if source.attributes is not None:
        names = tuple(name.strip() for name in source.attributes.split(",") if name.strip())
    try:
        items = read_items(file, names)
    except InvalidDataset as error:
        hint = "" if source.attributes is not None else "; --attributes names those to be used"
        fail(f"{error}{hint}", _WRONG_INPUT)
    return History(
        history.interactions,
        history.source,
        history.click_at,
        items or {},
        # Of other columns, the same items are other ones.
        fingerprint(file, *(names or ())),
    )


def _check_times(history: History, path: Path, settings: ServerSettings) -> None:
    first, last = history.interactions[0], history.interactions[-1]
    if last.ts_ms > now_ms() + settings.http.future_skew_s * 1000:
        place = "row" if path.suffix.lower() in _PARQUET else "line"
        fail(
            f"{path}, {place} {last.line}: {_moment(last)} lies in the future; correct the times, "
            "or the clock of this machine",
            _WRONG_INPUT,
        )
    if last.ts_ms < _EARLIEST_MS:
        typer.echo(
            f"recsys: {path}: the times run from {_moment(first)} to {_moment(last)}; if that is "
            "not what they mean, write them in seconds or milliseconds since 1970, or as dates",
            err=True,
        )


def _check_room(history: History, settings: ServerSettings) -> None:
    catalogue = settings.engine.catalogue
    named = history.touched
    if not catalogue.auto_insert:
        if not named & history.items.keys():
            fail(
                "engine.catalogue.auto_insert is off and no item of the history is described, so "
                "that nothing would be learned; describe them with --items",
                _WRONG_INPUT,
            )
        named = frozenset()
    if (n_items := len(named | history.items.keys())) > catalogue.max_items:
        fail(
            f"the history has {n_items:,} items, the catalogue has room for "
            f"{catalogue.max_items:,}; set engine.catalogue.max_items to at least {n_items}",
            _WRONG_INPUT,
        )


def _moment(one: Interaction) -> str:
    moment = datetime.fromtimestamp(one.ts_ms / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if one.ts_ms < _EARLIEST_MS else f"{moment:%Y-%m-%d}"
