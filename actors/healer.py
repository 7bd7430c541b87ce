"""Brings a running shard whose model is broken back to its last good snapshot."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final

from actors.batcher import Batcher
from actors.observer import Observer
from recsys.engine import Engine
from recsys.errors import NonFinite
from recsys.strikes import ASKING

__all__ = ["Healer"]

_log = logging.getLogger(__name__)

_WAIT: Final = 3
"""Rounds of snapshots that are left out, one after another, until it is known what a failure means;
more would let the log grow for an event of a kind that comes once a year."""


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
        self._left_out = 0
        self._told = ""

    async def forbids(self) -> bool:
        """Go back when too much has failed in a row; return whether there is to be no snapshot now.

        To be asked before each. A snapshot of a state that is half changed would be the one to
        which nobody should go back.
        """
        strikes, stats = self._engine.strikes, self._engine.stats()
        if due := strikes.due(stats.sequence):
            await self._go_back(f"three times in a row failed {_words(due)}")
            return True
        unsettled = strikes.unsettled(stats.snapshot_sequence)
        if unsettled and (self._stopping.is_set() or self._left_out < _WAIT):
            self._left_out += 1
            return True
        self._left_out = 0
        return False

    async def heal(self, error: NonFinite) -> None:
        """Go back to the last good snapshot, without the events that made the model not finite."""
        await self._go_back(f"the model is not finite: {error}")

    def well(self) -> None:
        """Take in that there is a snapshot of what the model is now."""
        self._told = ""

    def trouble(self) -> tuple[str, ...]:
        """Return what the operator should read."""
        told = (self._told,) if self._told else ()
        if self.busy:  # another thread has the engine
            return told
        hopeless = self._engine.strikes.hopeless(self._engine.stats().sequence)
        if not hopeless:
            return told
        return (
            *told,
            f"{_words(hopeless)} fails again and again, and it does not help to go back to the "
            "last good snapshot; it serves on: GET /v1/dead-letters and its log have the causes",
        )

    async def _go_back(self, reason: str) -> None:
        _log.error("shard %d: %s", self._index, reason)
        if self._stopping.is_set():  # nothing is lost, and the next opening ends here again
            return
        self.busy = True
        started = perf_counter()
        await self._batcher.stop()
        try:
            removed = await self._blocking(self._engine.heal)
        except Exception:
            _log.exception("shard %d: the model cannot be mended", self._index)
            self._told = f"{reason}; the model cannot be mended, and its log says why"
        else:
            seconds = perf_counter() - started
            _log.error(
                "shard %d: back at its last good snapshot and the log after it, without %d events, "
                "after %.1f s", self._index, removed, seconds,
            )  # fmt: skip
            self._told = (
                f"{reason}; it went back to its last good snapshot and the log after it, without "
                f"{removed} events: GET /v1/dead-letters has them"
            )
            self._observer.on_reset(removed)
        finally:
            self.busy = False
            if not self._stopping.is_set():
                self._batcher.resume()


def _words(kinds: list[str]) -> str:
    """Return what fails, in words."""
    learning = ", ".join(kind for kind in kinds if kind != ASKING)
    words = [f"the learning of {learning}"] if learning else []
    return " and ".join([*words, "the making of lists"] if ASKING in kinds else words)
