"""Times as people write them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from recsys.events import MAX_TS_MS

__all__ = ["exact_ms", "parse_time_ms", "rounded_ms"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_UNITS_MS: Final = (
    (10**11, Decimal(1000)),
    (10**14, Decimal(1)),
    (10**17, Decimal("1e-3")),
)
"""A number below the first is in the second; the bounds are in March 1973 of the next unit."""
_NANOSECOND_MS: Final = Decimal("1e-6")


def exact_ms(text: str) -> int | Decimal:
    """Return epoch milliseconds, unrounded, so that what is less than one apart stays in order.

    Parameters
    ----------
    text
        Epoch seconds, milliseconds (from 1e11), microseconds (from 1e14) or nanoseconds (from
        1e17); or a date, with or without a time, as in ISO 8601 and RFC 3339, which is UTC when it
        names no offset. Eight digits are seconds, not a date: many clocks start at 0.

    Raises
    ------
    ValueError
        Saying what was expected.
    """
    try:
        exact = _number_ms(text)
    except InvalidOperation:
        exact = _moment_ms(text)
    whole = int(exact)
    return whole if whole == exact else exact


def rounded_ms(exact: int | Decimal, text: str) -> int:
    """Return the whole milliseconds of a time that was read from ``text``.

    Raises
    ------
    ValueError
        When it does not lie between the years 1970 and 9999.
    """
    ts_ms = round(exact)
    if not 0 <= ts_ms < MAX_TS_MS:
        message = f"expected a time between the years 1970 and 9999, got {text!r}"
        raise ValueError(message)
    return ts_ms


def parse_time_ms(text: str) -> int:
    """Return whole epoch milliseconds of what ``exact_ms`` reads.

    Raises
    ------
    ValueError
        Saying what was expected.
    """
    return rounded_ms(exact_ms(text), text)


def _number_ms(text: str) -> Decimal:
    number = Decimal(text)
    # What is out of range by far need not be multiplied, and what is no number cannot be.
    if not number.is_finite() or number.adjusted() > 20:
        message = f"expected a time between the years 1970 and 9999, got {text!r}"
        raise ValueError(message)
    size = abs(number)
    unit = next((unit for below, unit in _UNITS_MS if size < below), _NANOSECOND_MS)
    return number * unit


def _moment_ms(text: str) -> Decimal:
    try:
        moment = datetime.fromisoformat(text.strip().removesuffix(" UTC"))
    except ValueError:
        message = f"expected epoch seconds or milliseconds or RFC 3339, got {text!r}"
        raise ValueError(message) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Decimal((aware - _EPOCH) // _MICROSECOND) / 1000
