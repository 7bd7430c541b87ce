"""Keeps aiokafka from saying the same ten times a second for as long as a broker is away."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple

from typing_extensions import override

__all__ = ["Seldom", "quieten"]

_EVERY_S: Final = 60.0
_MOST: Final = 200
"""Different things that are remembered; the library has fewer."""


class _Said(NamedTuple):
    at: float
    withheld: int


class Seldom(logging.Filter):
    """Lets the same message pass once in a while; the next one says how often it was left out.

    Parameters
    ----------
    every_s
        At most once in so many seconds.
    clock
        Seconds, from any beginning.
    """

    def __init__(self, every_s: float = _EVERY_S, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._said = dict[tuple[str, object], _Said]()

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        # Without its arguments: broker, request and cause change from line to line.
        what, now = (record.name, record.msg), self._clock()
        before = self._said.get(what)
        if before is not None and now - before.at < self._every_s:
            self._said[what] = _Said(before.at, before.withheld + 1)
            return False
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[what] = _Said(now, 0)
        if before is not None and before.withheld:
            record.msg = f"{record.getMessage()} (and {before.withheld} times since the last line)"
            record.args = ()
        return True


def quieten(library: str) -> None:
    """Have all loggers of a library, as far as it is imported, speak seldom."""
    seldom = Seldom()
    for name in list(logging.root.manager.loggerDict):
        if name == library or name.startswith(f"{library}."):
            logging.getLogger(name).addFilter(seldom)
