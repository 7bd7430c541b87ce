"""Delimited text, plain or gzipped, read so that every complaint names its line.

====================  =========  =======================  ========
name                  separator  columns                  encoding
====================  =========  =======================  ========
``*.csv``, other      see below  first line               UTF-8
``*.tsv``             tab        first line               UTF-8
``u.data``            tab        user item rating ...     Latin-1
``u.item``            ``|``      item title ... 19 flags  Latin-1
``*.dat``             ``::``     by the caller            Latin-1
====================  =========  =======================  ========

Each also with ``.gz``; ``recsys.datasets.parquet`` reads the rest. What separates the fields of a
CSV is the comma, or, when the first line has none, whichever of ``;``, tab and ``|`` it has most
of. Spaces behind it do not count. A caller can say of a format with names in the first line that a
file has none (``header``).
"""

import csv
import gzip
import importlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recsys.errors import InvalidDataset

if TYPE_CHECKING:
    from recsys.datasets.parquet import ParquetTable

__all__ = ["Row", "find_file", "is_parquet", "open_bytes", "open_parquet", "read_rows"]

_LATIN_1: Final = ("u.data", "u.item")
_OTHER_SEPARATORS: Final = ";\t|"


@dataclass(frozen=True, slots=True)
class Row:
    """One record: where it stands, and its fields by column."""

    path: str
    line: int
    fields: dict[str, str]

    def error(self, column: str | None, detail: str) -> InvalidDataset:
        """Return a complaint about a field, to be raised."""
        return InvalidDataset(self.path, detail, self.line, column)


def find_file(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of ``names`` that is in ``folder``, as it is or with ``.gz``."""
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def open_bytes(path: Path) -> BufferedIOBase:
    """Open a file, unpacked.

    Raises
    ------
    InvalidDataset
        When it cannot be opened.
    """
    try:
        return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        detail = error.strerror or str(error)
        raise InvalidDataset(str(path), detail) from error


def is_parquet(path: Path) -> bool:
    """Return whether a file's name says that it is Parquet."""
    return path.suffix.lower() in {".parquet", ".pq"}


def open_parquet(path: Path) -> "ParquetTable":
    """Open a Parquet file.

    Raises
    ------
    InvalidDataset
        When it cannot be opened, or pyarrow is not there.
    """
    try:
        # Not at the top: it is an extra, and slow to import.
        module = importlib.import_module("recsys.datasets.parquet")
    except ModuleNotFoundError as error:
        detail = "reading Parquet needs pyarrow: pip install 'recsys[parquet]'"
        raise InvalidDataset(str(path), detail) from error
    table: ParquetTable = module.ParquetTable(path)
    return table


def read_rows(
    path: Path,
    columns: Sequence[str],
    check: Callable[[str, Sequence[str]], None] = lambda path, names: None,
    *,
    header: bool | None = None,
) -> Iterator[Row]:
    """Yield the records of a file in its order.

    Parameters
    ----------
    columns
        Names of the fields where the format has no first line with names.
    check
        Called with the path and the names of the fields before the first record, even when there
        is none.
    header
        Whether the first line names the fields; ``None`` goes by the name of the file.

    Raises
    ------
    InvalidDataset
        At a line that is no text, cannot be unpacked, or has another number of fields than the
        first one.
    """
    name = path.name.removesuffix(".gz")
    old = name in _LATIN_1 or name.endswith(".dat")
    names: list[str] | None = None
    if old if header is None else not header:
        names = list(columns)
        check(str(path), names)
    for line, fields in _records(path, name, "latin-1" if old else "utf-8"):
        if names is None:
            names = [field.strip() for field in fields]
            check(str(path), names)
            continue
        if len(fields) != len(names):
            detail = f"expected {len(names)} fields, got {len(fields)}"
            raise InvalidDataset(str(path), detail, line)
        yield Row(str(path), line, dict(zip(names, fields, strict=True)))
    if names is None:
        raise InvalidDataset(str(path), "the file is empty; the first line names the columns")


def _records(path: Path, name: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number (of the last line, where a record has several) and the fields."""
    lines = _lines(path, encoding)
    if name.endswith(".dat"):
        for line, text in enumerate(lines, start=1):
            if stripped := text.rstrip("\r\n"):
                yield line, stripped.split("::")
        return
    tabs = name == "u.data" or name.endswith(".tsv")
    bars = name == "u.item"
    raw = tabs or bars
    first = next(lines, "")
    reader = csv.reader(
        chain([first], lines),
        delimiter=("\t" if tabs else "|") if raw else _separator(first),
        quoting=csv.QUOTE_NONE if raw else csv.QUOTE_MINIMAL,
        skipinitialspace=not raw,
        strict=True,
    )
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidDataset(str(path), str(error), reader.line_num) from error
        if fields:
            yield reader.line_num, fields


def _separator(header: str) -> str:
    """Return what separates the fields of a CSV with this first line."""
    if "," in header:
        return ","
    separator: str = max(",", *_OTHER_SEPARATORS, key=header.count)
    return separator


def _lines(path: Path, encoding: str) -> Iterator[str]:
    line = 0
    with open_bytes(path) as file:
        try:
            for line, raw in enumerate(file, start=1):
                text = raw.decode(encoding)
                yield text.removeprefix("\ufeff") if line == 1 else text
        except UnicodeDecodeError as error:
            raise InvalidDataset(str(path), f"not {encoding}: {error.reason}", line) from error
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidDataset(str(path), f"cannot be read on: {error}", line + 1) from error
