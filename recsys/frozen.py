"""Parts of the state as they were at a moment, whose bytes are made later."""

from collections.abc import Callable

__all__ = ["Frozen", "made"]

Frozen = Callable[[], bytes]
"""Returns a record; may run on any thread, once."""


def made(record: bytes) -> Frozen:
    """Return a part whose record is there already."""
    return lambda: record
