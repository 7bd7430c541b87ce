"""Looks how much room is left where a shard's store lies, to say so before there is none."""

import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from actors.observer import Observer

__all__ = ["Disk", "free_bytes"]

_log = logging.getLogger(__name__)

_CLEAR: Final = 1.1
"""So many times the bound must be free again before a disk is no longer low: it moves all the time
while the write-ahead log is brought into the file."""


def free_bytes(folder: Path) -> int:
    """Return how many bytes this process may still write there.

    Raises
    ------
    OSError
        When nobody can say.
    """
    return shutil.disk_usage(folder).free


class Disk:
    """The disk of one shard.

    Parameters
    ----------
    folder
        Where its store lies; ``None`` for one that lies on no disk of the system's.
    low_bytes
        Less than that is low; 0: never.
    blocking
        Runs something on the store's thread.
    free
        Says how many bytes are free in a folder.

    Attributes
    ----------
    free
        Bytes at the last look, ``None`` where nobody can say.
    low
        Whether it was low then.
    """

    def __init__(
        self,
        index: int,
        folder: Path | None,
        low_bytes: int,
        observer: Observer,
        blocking: Callable[[Callable[[], int]], Awaitable[int]],
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.free: int | None = None
        self.low = False
        self._index = index
        self._folder = folder
        self._low_bytes = low_bytes
        self._observer = observer
        self._blocking = blocking
        self._ask = free
        self._silent = False

    async def look(self) -> None:
        """Look again; to be called with each round of snapshots."""
        if (folder := self._folder) is None:
            return
        try:
            free = await self._blocking(lambda: self._ask(folder))
        except OSError as error:
            if not self._silent:
                _log.warning("shard %d: nobody says what its disk has left: %s", self._index, error)
            self._silent, self.free, self.low = True, None, False
            return
        self._silent, self.free = False, free
        self._observer.on_disk(free)
        was, self.low = self.low, free < self._low_bytes * (_CLEAR if self.low else 1.0)
        if self.low and not was:
            _log.error("shard %d: %s; %d bytes are free", self._index, *self.trouble(), free)
        elif was and not self.low:
            _log.info("shard %d: %d bytes are free on its disk again", self._index, free)

    def trouble(self) -> tuple[str, ...]:
        """Return what the operator should read."""
        if not self.low:
            return ()
        # Without the number of now, which would make a new notice of it with every look.
        return (
            f"its disk has less than {self._low_bytes:,} bytes left (engine.store.low_disk_bytes): "
            "make room before it is full, for then it takes no events",
        )
