"""Brings all people of a shard into memory, where they fit, while it answers."""

import asyncio
import logging

from actors.batcher import SLICE_S
from actors.home import Blocking
from recsys.engine import Engine
from recsys.errors import CorruptRecord, StoreError

__all__ = ["Muster"]

_log = logging.getLogger(__name__)


class Muster:
    """The muster of one shard's people.

    Parameters
    ----------
    blocking
        Runs something on the store's thread.
    stopping
        Set when the shard stops.
    """

    def __init__(
        self, index: int, engine: Engine, blocking: Blocking, stopping: asyncio.Event
    ) -> None:
        self._index = index
        self._engine = engine
        self._blocking = blocking
        self._stopping = stopping
        self._able = True

    async def round(self) -> None:
        """Bring in who is not there; never raises."""
        try:
            while self._able and not self._stopping.is_set():
                if not await self._page():
                    return
        except (StoreError, CorruptRecord) as error:
            # Whoever is asked for is still looked up, one by one.
            self._able = False
            _log.error("shard %d: not all people are brought into memory: %s", self._index, error)
        except Exception:
            self._able = False
            _log.exception("shard %d: not all people are brought into memory", self._index)

    async def _page(self) -> bool:
        """Bring in a page of people; returns whether there was one to bring."""
        loop = asyncio.get_running_loop()
        people = self._engine.people
        wanted = people.wanted()
        if wanted is None:
            return False
        rows = await self._blocking(lambda: people.read(wanted))
        since = loop.time()
        for _ in people.admit(wanted, rows):
            if loop.time() - since > SLICE_S:
                await asyncio.sleep(0)
                since = loop.time()
        return True
