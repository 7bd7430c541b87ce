"""Parquet, a column at a time, with complaints that name the row; the only user of pyarrow.

================  =====================================================================
column            types
================  =====================================================================
ids, types        text, bytes that are UTF-8, whole numbers; also by dictionary
times             timestamps (UTC without a zone), dates, texts, numbers since 1970
ratings, values   numbers, decimals, truth values
attributes        texts, numbers, truth values, dates, lists of texts
================  =====================================================================

A column of numbers has one unit, told by its largest: seconds, milliseconds (from 1e11), micro-
(from 1e14) or nanoseconds (from 1e17).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from recsys.datasets.times import exact_ms
from recsys.errors import InvalidDataset, InvalidEvent
from recsys.events import MAX_NUMBER, MAX_TS_MS
from recsys.ids import check_id

__all__ = ["ParquetTable"]

_UNIT_BOUNDS: Final = np.array([1e11, 1e14, 1e17])
_UNITS: Final = ("seconds", "milliseconds", "microseconds", "nanoseconds")
_TIMESTAMP_UNITS: Final = ("s", "ms", "us", "ns")
_UNIT_MS: Final = (1e3, 1.0, 1e-3, 1e-6)
_DAY_MS: Final = 86_400_000

Value = str | bool | float | list[str] | None


class ParquetTable:
    """One file.

    Raises
    ------
    InvalidDataset
        When it is no Parquet, or cannot be opened.

    Attributes
    ----------
    names
        Of its columns.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        try:
            self._file = pq.ParquetFile(path)
        except OSError as error:
            # Arrow writes a paragraph; the system's own words are in the number.
            detail = "No such file or directory" if not path.exists() else str(error)
            raise InvalidDataset(self._path, detail) from error
        except pa.ArrowException as error:
            raise InvalidDataset(self._path, f"not readable as Parquet: {error}") from error
        self.names: list[str] = list(self._file.schema_arrow.names)

    def ids(self, column: str) -> list[str]:
        """Return the ids of a column."""

        def check(text: str) -> None:
            try:
                check_id(text, column)
            except InvalidEvent as error:
                raise ValueError(error.detail) from None

        return self.texts(column, check)

    def texts(self, column: str, check: Callable[[str], None]) -> list[str]:
        """Return texts; equal ones are one object, for there are millions.

        Parameters
        ----------
        check
            Called once per distinct text; raises ``ValueError`` for one that may not be.
        """
        array = self._complete(column)
        if not (_is_text(array.type) or pt.is_integer(array.type)):
            raise self._of_type(column, array, "texts or whole numbers")
        encoded = pc.dictionary_encode(self._cast(column, array, pa.string()))
        texts: list[str] = encoded.dictionary.to_pylist()
        places: NDArray[np.int64] = encoded.indices.to_numpy(zero_copy_only=False)
        for place, text in enumerate(texts):
            try:
                check(text)
            except ValueError as error:
                row = int(np.argmax(places == place))
                raise self.error(row, column, str(error)) from None
        return [texts[place] for place in places.tolist()]

    def times(self, column: str) -> tuple[NDArray[np.intp], list[int]]:
        """Return the order of the rows by time, stable, and their times in milliseconds."""
        array = self._complete(column)
        if _is_text(array.type):
            return self._times_of_texts(column, self._cast(column, array, pa.string()))
        exact, factor = self._exact(column, array)
        ts_ms = np.rint(exact * factor)
        wrong = ~((ts_ms >= 0) & (ts_ms < MAX_TS_MS))
        if wrong.any():
            row = int(np.argmax(wrong))
            value = exact[row]
            raise self.error(row, column, _between(f"{value}"))
        return np.argsort(exact, kind="stable"), ts_ms.astype(np.int64).tolist()

    def numbers(self, column: str, *, optional: bool) -> list[float | None]:
        """Return numbers.

        Parameters
        ----------
        optional
            Whether a row may have none; NaN, which some programs write for that, is none, too.
        """
        array = self._column(column) if optional else self._complete(column)
        if not (_is_number(array.type) or pt.is_boolean(array.type)):
            raise self._of_type(column, array, "numbers")
        values: NDArray[np.float64] = self._cast(column, array, pa.float64()).to_numpy(
            zero_copy_only=False
        )
        missing = np.isnan(values)
        wrong = ~(np.abs(values) <= MAX_NUMBER) & ~(missing & optional)
        if wrong.any():
            row = int(np.argmax(wrong))
            detail = f"expected a number within ±{MAX_NUMBER:g}, got {values[row]}"
            raise self.error(row, column, detail)
        if not missing.any():
            return list(values.tolist())
        return [
            None if none else value
            for none, value in zip(missing.tolist(), values.tolist(), strict=True)
        ]

    def values(self, column: str) -> list[Value]:
        """Return whatever an attribute of an item may be; ``None`` where there is none."""
        array = self._column(column)
        kind = array.type
        if pt.is_boolean(kind) or pt.is_null(kind):
            return array.to_pylist()
        if _is_number(kind):
            return list(self.numbers(column, optional=True))
        if _is_text(kind) or pt.is_date(kind) or pt.is_timestamp(kind):
            return self._cast(column, array, pa.string()).to_pylist()
        if (pt.is_list(kind) or pt.is_large_list(kind)) and _is_text(kind.value_type):
            return [
                None if entries is None else [entry for entry in entries if entry is not None]
                for entries in array.to_pylist()
            ]
        raise self._of_type(column, array, "texts, numbers, truth values or lists of texts")

    def error(self, row: int, column: str, detail: str) -> InvalidDataset:
        """Return a complaint about a field, to be raised; ``row`` counts from 0."""
        return InvalidDataset(self._path, f"row {row + 1}: {detail}", None, column)

    def _column(self, column: str) -> pa.Array:
        try:
            array = self._file.read(columns=[column]).column(column).combine_chunks()
        except (OSError, pa.ArrowException) as error:
            raise InvalidDataset(self._path, f"cannot be read: {error}", None, column) from error
        kind = array.type
        return self._cast(column, array, kind.value_type) if pt.is_dictionary(kind) else array

    def _complete(self, column: str) -> pa.Array:
        array = self._column(column)
        if array.null_count:
            row = int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
            raise self.error(row, column, "there is no value")
        return array

    def _cast(self, column: str, array: pa.Array, kind: pa.DataType) -> pa.Array:
        try:
            return array.cast(kind)
        except pa.ArrowException as error:
            raise InvalidDataset(self._path, str(error), None, column) from error

    def _of_type(self, column: str, array: pa.Array, expected: str) -> InvalidDataset:
        detail = f"expected {expected}, the column holds {array.type}; convert it"
        return InvalidDataset(self._path, detail, None, column)

    def _exact(self, column: str, array: pa.Array) -> tuple[NDArray[np.int64 | np.float64], float]:
        """Return times as they are written, and how many milliseconds their unit has."""
        kind = array.type
        if pt.is_timestamp(kind):
            whole = self._cast(column, array, pa.int64()).to_numpy(zero_copy_only=False)
            return whole, _UNIT_MS[_TIMESTAMP_UNITS.index(kind.unit)]
        if pt.is_date(kind):
            days = self._cast(column, self._cast(column, array, pa.date32()), pa.int32())
            return days.to_numpy(zero_copy_only=False).astype(np.int64), _DAY_MS
        if not _is_number(kind):
            expected = "timestamps, dates, texts or numbers of seconds or milliseconds since 1970"
            raise self._of_type(column, array, expected)
        if pt.is_decimal(kind):
            array = self._cast(column, array, pa.float64())
        numbers = array.to_numpy(zero_copy_only=False)
        if not (finite := np.isfinite(numbers)).all():
            row = int(np.argmin(finite))
            raise self.error(row, column, _between(f"{numbers[row]}"))
        return numbers, _UNIT_MS[self._unit(column, numbers)]

    def _unit(self, column: str, numbers: NDArray[np.int64 | np.float64]) -> int:
        units = np.searchsorted(_UNIT_BOUNDS, np.abs(numbers.astype(np.float64)), side="right")
        if not len(units) or units.min() == units.max():
            return int(units[0]) if len(units) else 0
        one, other = int(units.argmin()), int(units.argmax())
        detail = (
            f"{numbers[one]} looks like {_UNITS[units[one]]}, {numbers[other]} in row {other + 1} "
            f"like {_UNITS[units[other]]}; write the column in one unit or as timestamps"
        )
        raise self.error(one, column, detail)

    def _times_of_texts(self, column: str, array: pa.Array) -> tuple[NDArray[np.intp], list[int]]:
        texts: list[str] = array.to_pylist()
        exact = np.empty(len(texts), object)
        for row, text in enumerate(texts):
            try:
                exact[row] = exact_ms(text)
            except ValueError as error:
                raise self.error(row, column, str(error)) from None
        ts_ms = [round(one) for one in exact.tolist()]
        wrong = next((row for row, one in enumerate(ts_ms) if not 0 <= one < MAX_TS_MS), None)
        if wrong is not None:
            raise self.error(wrong, column, _between(texts[wrong]))
        return np.argsort(exact, kind="stable"), ts_ms


def _between(text: str) -> str:
    return f"expected a time between the years 1970 and 9999, got {text}"


def _is_text(kind: pa.DataType) -> bool:
    kinds: Sequence[Callable[[pa.DataType], bool]] = (
        pt.is_string,
        pt.is_large_string,
        pt.is_string_view,
        pt.is_binary,
        pt.is_large_binary,
    )
    return any(is_kind(kind) for is_kind in kinds)


def _is_number(kind: pa.DataType) -> bool:
    return pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind)
