"""Has the items of a shard's large catalogue indexed anew when it is time."""

import asyncio
import logging
from time import perf_counter

from recsys.candidates.nearest import Index
from recsys.engine import Engine

__all__ = ["Indexer"]

_log = logging.getLogger(__name__)


class Indexer:
    """The indexer of one shard.

    Without an index all items are searched, which takes longer and misses none: a shard that failed
    once to make one goes on without.
    """

    def __init__(self, index: int, engine: Engine) -> None:
        self._index = index
        self._engine = engine
        self._able = True

    async def round(self) -> None:
        """Look whether it is time; never raises."""
        if not self._able:
            return
        started = perf_counter()
        try:
            vectors = self._engine.to_index()
            if vectors is None:
                return
            # Not on the store's thread, for which commits wait.
            index = await asyncio.to_thread(Index, vectors)
        except ImportError as error:
            self._able = False
            _log.warning(
                "shard %d: all items of the large catalogue are searched one by one, because an "
                "index needs Faiss (%s): pip install 'recsys[ann]'",
                self._index,
                error,
            )
        except Exception:
            self._able = False
            _log.exception("shard %d: no index until it is started again", self._index)
        else:
            self._engine.indexed(index)
            seconds = perf_counter() - started
            _log.info("shard %d: indexed %d items in %.1f s", self._index, len(vectors), seconds)
