"""Brings a running shard whose model is broken back to its last good snapshot."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter

from actors.batcher import Batcher
from actors.observer import Observer
from recsys.engine import Engine
from recsys.errors import NonFinite

__all__ = ["Healer"]

_log = logging.getLogger(__name__)


class Healer:
    """The healer of one shard.

    Parameters
    ----------
    batcher
        Holds still while the engine goes back.
    blocking
        Runs something on the store's thread.
    stopping
        Set when the shard stops.

    Attributes
    ----------
    busy
        Whether the engine goes back right now, so that nothing else may touch it.
    """

    def __init__(
        self,
        index: int,
        engine: Engine,
        batcher: Batcher,
        observer: Observer,
        blocking: Callable[[Callable[[], int]], Awaitable[int]],
        stopping: asyncio.Event,
    ) -> None:
        self.busy = False
        self._index = index
        self._engine = engine
        self._batcher = batcher
        self._observer = observer
        self._blocking = blocking
        self._stopping = stopping

    async def heal(self, error: NonFinite) -> None:
        """Go back to the last good snapshot, without the events that made the model not finite."""
        _log.error("shard %d: the model is not finite: %s", self._index, error)
        if self._stopping.is_set():  # nothing is lost, and the next opening ends here again
            return
        self.busy = True
        started = perf_counter()
        await self._batcher.stop()
        try:
            removed = await self._blocking(self._engine.heal)
        except Exception:
            _log.exception("shard %d: the model cannot be mended", self._index)
        else:
            seconds = perf_counter() - started
            _log.error(
                "shard %d: back at its last good snapshot and the log after it, without %d events, "
                "after %.1f s", self._index, removed, seconds,
            )  # fmt: skip
            self._observer.on_reset(removed)
        finally:
            self.busy = False
            self._batcher.resume()
