"""The Ray shell around a shard: opening it, and a face for the dashboard.

The constructor opens the engine, and thereby recovers it, so that a shard that was killed comes
back by itself: Ray runs the constructor again and holds all calls back until it is done. Before
that it has the engine's inner loops compiled, which takes long only once per installation.
"""

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

from ray.util import get_node_ip_address
from typing_extensions import override

from actors.copies.generations import Manifest
from actors.copies.keeper import Keeper
from actors.giving import Delivery, Given
from actors.handles import Ready, ShardHandle
from actors.home import Attach
from actors.lane import Call, Reply
from actors.layout import read_shard_map, shard_folder
from actors.logs import log_to_stderr
from actors.messages import Method
from actors.metrics import RayObserver
from actors.ray_receiver import RayReceiver
from actors.settings import CopySettings, ServerSettings
from actors.shard import Shard
from actors.shard_map import Moving, ShardMap
from actors.wire.handshake import Door
from actors.wire.port import frame_bytes
from actors.wire.server import WireServer, blame
from recsys.engine import Engine
from recsys.errors import FlushFailed, RecsysError
from recsys.killpoints import watch
from recsys.store.sqlite import SqliteStore

__all__ = ["ShardActor", "end_process"]

_log = logging.getLogger(__name__)

_DOOMED: Final = 74  # EX_IOERR of sysexits.h
_SWITCH_S: Final = 0.0005
"""So long the store's thread may keep the interpreter from the loop. By default it is 5 ms, and a
list that meets a snapshot waits for several of those."""


def end_process(error: FlushFailed, leave: Callable[[int], object] = os._exit) -> None:
    """End this process at once, for Ray to start another that opens the store anew.

    Nothing is flushed or closed: a second flush could succeed without the bytes of the first.

    Parameters
    ----------
    leave
        What ends it.
    """
    _log.critical("ending, to recover from what the disk holds: %s", error)
    logging.shutdown()
    leave(_DOOMED)


class ShardActor:
    """One shard in a process of its own; ``actors.handles.ShardHandle`` is its view from outside.

    Parameters
    ----------
    index
        Its number, from 0.

    Raises
    ------
    RecsysError
        When its store cannot be opened; the last line of what Ray reports says why.
    """

    def __init__(self, index: int, settings: ServerSettings) -> None:
        self._index = index
        self._name = f"shard-{index}"
        log_to_stderr()
        sys.setswitchinterval(_SWITCH_S)
        started = perf_counter()
        Engine.warm_up(settings.engine)
        _log.info("%s: warmed up after %.2f s", self._name, perf_counter() - started)
        started = perf_counter()
        folder = shard_folder(settings.shards.data_dir, index)
        watch(folder)
        engine = Engine.open(folder, settings.engine)
        self._engine = engine
        self._recovered = engine.stats().sequence
        self._recovery_s = perf_counter() - started
        store = engine.store
        self._epoch = store.epoch if isinstance(store, SqliteStore) else 1
        self._observer = RayObserver(index, engine.stats)
        self._shard = Shard(
            index,
            settings,
            engine,
            epoch=self._epoch,
            shard_map=read_shard_map(settings.shards),
            observer=self._observer,
            doomed=end_process,
            attach=_attach(index, settings),
        )
        self._partitions = len(self._shard.territory.owned)
        self._keeper = Keeper(
            index,
            settings.shards,
            store,
            shard_folder(settings.shards.data_dir, index),
            self._observer,
        )
        host: str = get_node_ip_address()  # type: ignore[no-untyped-call]
        self._wire = WireServer(index, self._shard, host=host, limit_bytes=frame_bytes(settings))
        # Ray runs the constructor inside the loop that will serve the calls.
        self._started = asyncio.create_task(self._start())
        self._copying = asyncio.create_task(self._keeper.run(), name=f"{self._name}-copies")
        _log.info(
            "%s: open at sequence %d after %.2f s (epoch %d)",
            self._name, self._recovered, self._recovery_s, self._epoch,
        )  # fmt: skip

    async def _start(self) -> Door:
        await self._shard.start()
        return await self._wire.open()

    async def door(self) -> Door:
        """Return where it answers the same calls over the wire."""
        return await self._started

    async def call_many(self, calls: Sequence[Call]) -> list[Reply]:
        """Do several calls at once; an error of ours is a reply, too."""
        await self._started
        return await asyncio.gather(*(self._reply(method, payload) for method, payload in calls))

    async def _reply(self, method: Method, payload: bytes) -> Reply:
        try:
            return await self._shard.call(method, payload)
        except RecsysError as error:
            return error
        except Exception as error:
            # One call that fails must not take the others of its message with it.
            return blame(error, self._index, method)

    async def ready(self) -> Ready:
        """Say that it works."""
        await self._started
        return Ready(
            pid=os.getpid(),
            epoch=self._epoch,
            sequence=self._engine.stats().sequence,
            recovered=self._recovered,
            recovery_s=self._recovery_s,
            trouble=self._shard.trouble(),
            held=self._shard.territory.held,
        )

    async def give(self, moving: Moving, new: ShardHandle) -> Given:
        """See ``Mover.give``."""
        await self._started
        return await self._shard.mover.give(moving, RayReceiver(moving.new, new))

    async def key(self) -> bytes:
        """See ``Mover.key``."""
        return await self._shard.mover.key()

    async def take(self, delivery: Delivery) -> None:
        """See ``Mover.take``."""
        await self._started
        await self._shard.mover.take(delivery)

    async def give_up(self, moving: Moving) -> bool:
        """See ``Mover.give_up``."""
        await self._started
        return await self._shard.mover.give_up(moving)

    async def forget(self, moving: Moving) -> None:
        """See ``Mover.forget``."""
        await self._started
        await self._shard.mover.forget(moving)

    async def adopt(self, shard_map: ShardMap) -> None:
        """See ``Territory.adopt``."""
        self._shard.territory.adopt(shard_map)

    async def copy(self, settings: CopySettings) -> Manifest | RecsysError | None:
        """See ``Keeper.copy``; an error of ours is an answer."""
        try:
            return await self._keeper.copy(settings)
        except RecsysError as error:
            return error

    async def stop(self) -> int:
        """See ``Shard.stop``; returns the last sequence."""
        await self._started
        self._keeper.stop()
        await self._copying
        await self._shard.stop()
        await self._wire.close()
        sequence = self._engine.stats().sequence
        _log.info("%s: closed at sequence %d", self._name, sequence)
        return sequence

    @override
    def __repr__(self) -> str:
        # Ray asks before and while the constructor runs, too.
        name = getattr(self, "_name", "shard")
        if not hasattr(self, "_shard"):
            return f"{name}[opening]"
        # Once and for all: what changes is in /v1/stats and in the metrics.
        return f"{name}[{self._partitions} partitions, opened at seq {self._recovered}]"


def _attach(index: int, settings: ServerSettings) -> Attach | None:
    """Return what gives the shard its side of Kafka, if it is to have one."""
    if not settings.kafka.enabled:
        return None
    # Not at the top: Kafka's client costs memory and time that others need not spend.
    metrics = importlib.import_module("actors.kafka.metrics")
    side = importlib.import_module("actors.kafka.side")
    attach: Attach = side.attach(settings, metrics.RayKafkaObserver(index))
    return attach
