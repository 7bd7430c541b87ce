"""Copies one running shard's store to a bucket, now and then, beside its work."""

import asyncio
import logging
import threading
from pathlib import Path
from time import perf_counter
from typing import Final

from actors.copies.bucket import Bucket
from actors.copies.generations import Generations, Manifest, Source
from actors.errors import CopyError
from actors.observer import Observer
from actors.settings import CopySettings, ShardSettings
from recsys.errors import RecsysError
from recsys.learners.envelope import key_mark
from recsys.store.base import Store
from recsys.store.sqlite import SqliteStore

__all__ = ["Keeper", "copy_store"]

_log = logging.getLogger(__name__)

_WORKSHOP: Final = "copying"


class Keeper:
    """The copies of one shard; ``run`` makes them until ``stop``.

    Parameters
    ----------
    folder
        The shard's: holds the key, and for a while the copy that is being made.
    """

    def __init__(
        self, shard: int, settings: ShardSettings, store: Store, folder: Path, observer: Observer
    ) -> None:
        self._shard = shard
        self._settings = settings
        self._store = store
        self._folder = folder
        self._observer = observer
        self._stopping = asyncio.Event()
        self._stop = threading.Event()
        self._one_at_a_time = asyncio.Lock()
        self._copied: tuple[int, int] | None = None

    def stop(self) -> None:
        """Break off what is being copied, and let ``run`` return."""
        self._stopping.set()
        self._stop.set()

    async def run(self) -> None:
        """Copy every so often; a copy that fails is tried again after the same time."""
        settings = self._settings.copies
        while settings.url and not self._stopping.is_set():
            try:
                async with asyncio.timeout(settings.every_s):
                    await self._stopping.wait()
            except TimeoutError:
                await self._try(settings)

    async def _try(self, settings: CopySettings) -> None:
        started = perf_counter()
        now = (self._store.last_sequence, self._store.snapshot_sequence)
        if now == self._copied:
            return
        try:
            manifest = await self.copy(settings)
            self._copied = now
        except RecsysError as error:
            if not self._stopping.is_set():
                self._failed(str(error))
        except Exception:
            # The next round must come, or a fault of one hour ends the copies for good.
            _log.exception("shard %d: no copy", self._shard)
            self._observer.on_copy(None)
        else:
            seconds = perf_counter() - started
            self._observer.on_copy(seconds)
            if manifest is not None:
                _log.info(
                    "shard %d: copied up to event %d, %d bytes, in %.1f s",
                    self._shard, manifest.sequence, manifest.packed, seconds,
                )  # fmt: skip

    def _failed(self, reason: str) -> None:
        _log.error("shard %d: no copy: %s", self._shard, reason)
        self._observer.on_copy(None)

    async def copy(self, settings: CopySettings) -> Manifest | None:
        """Make a generation now; ``None`` when the newest one says the same.

        Raises
        ------
        CopyError, StartupError, StoreError, CorruptRecord
            When there is none.
        """
        store = self._store
        if not isinstance(store, SqliteStore):
            message = f"shard {self._shard} keeps nothing on a disk"
            raise CopyError(message)
        async with self._one_at_a_time:
            return await asyncio.to_thread(
                copy_store,
                lambda target: store.copy_to(target, self._stop),
                self._shard,
                self._settings,
                self._folder,
                settings,
            )


def copy_store(
    source: Source, shard: int, shards: ShardSettings, folder: Path, settings: CopySettings
) -> Manifest | None:
    """Make a generation of one shard; blocks. For what is raised see ``Generations.add``."""
    workshop = folder / _WORKSHOP
    try:
        workshop.mkdir(exist_ok=True)
        key = folder / "key"
        mark = key_mark(key.read_bytes()).hex() if key.exists() else ""
    except OSError as error:
        message = f"{folder} takes no copy: {error.strerror}"
        raise CopyError(message) from error
    generations = Generations(Bucket(settings.url), shard, settings.keep)
    return generations.add(
        source, workshop, shards=shards.count, partitions=shards.partitions, key_mark=mark
    )
