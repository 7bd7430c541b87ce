"""A shard's part in the moves of partitions to and from other shards, while all serve."""

import asyncio

import msgspec

from actors.batcher import Batcher
from actors.errors import MoveFailed, NotOwned
from actors.giving import Delivery, Given, Giving, Receiver
from actors.home import Side
from actors.settings import ServerSettings
from actors.shard_map import Moving
from actors.territory import Territory
from recsys.clock import now_ms
from recsys.counters import Move
from recsys.engine import Engine
from recsys.events import PartitionOut
from recsys.killpoints import kill_point
from recsys.moving.move import departure
from recsys.store.base import Outcome

__all__ = ["Mover"]


class Mover:
    """What a shard does about partitions that come and go.

    Parameters
    ----------
    snapshots
        Held by whoever takes a snapshot.
    side
        What reads from Kafka for the shard, if anything does.
    """

    def __init__(
        self,
        index: int,
        settings: ServerSettings,
        engine: Engine,
        batcher: Batcher,
        territory: Territory,
        snapshots: asyncio.Lock,
        side: Side | None,
    ) -> None:
        self._index = index
        self._settings = settings
        self._engine = engine
        self._batcher = batcher
        self._territory = territory
        self._snapshots = snapshots
        self._side = side
        self._giving: asyncio.Task[object] | None = None
        self._refused = dict[int, int]()

    async def give(self, order: Moving, receiver: Receiver) -> Given:
        """Move a partition to another shard, see ``actors.giving``.

        Raises
        ------
        NotOwned
            When it is not this shard's to give.
        MoveFailed
            When another move goes on, or a part was not taken.
        ShardUnavailable
            When one of the two does not answer or cannot write.
        """
        if order.partition not in self._territory.owned:
            raise NotOwned(self._index, order.partition)
        if self._giving is not None:
            raise MoveFailed(order.partition, "another move goes on")
        self._giving = asyncio.current_task()
        try:
            return await Giving(
                order, receiver, self._settings, self._engine, self._batcher, self._territory,
                self._snapshots, self._side,
            ).run()  # fmt: skip
        finally:
            self._giving = None

    def stop(self) -> None:
        """Break a move off: the shard is about to stop."""
        if self._giving is not None:
            self._giving.cancel()

    async def key(self) -> bytes:
        """Return the secret under which this shard's estimators are sealed."""
        return self._engine.key

    async def take(self, delivery: Delivery) -> None:
        """Take a part of a partition in; the last one makes this shard its owner.

        Raises
        ------
        MoveFailed
            When the move was given up, or the part could not be learned.
        ShardUnavailable
            When the store cannot write.
        """
        event = delivery.event
        partition = event.partition
        if event.epoch <= max(self._refused.get(partition, 0), self._moved(partition)):
            raise MoveFailed(partition, f"epoch {event.epoch} is over")
        self._territory.hold(partition, event.epoch)
        await self._batcher.room_for(1)
        failed = self._engine.state.counters.failed
        event = msgspec.structs.replace(event, ts_ms=self._engine.state.counters.clock_ms)
        self._engine.check((event,))
        [append] = await self._batcher.submit((event,), now_ms(), delivery.positions)
        if append.outcome is Outcome.CONFLICT or self._engine.state.counters.failed > failed:
            raise MoveFailed(partition, f"part {event.part} could not be learned")
        kill_point("mid-arrival")
        if event.last:
            self._territory.release(partition)

    async def give_up(self, moving: Moving) -> bool:
        """Say whether a partition has come by a move; if not, it never will.

        Raises
        ------
        ShardUnavailable
            When the store cannot write.
        """
        partition, epoch = moving.partition, moving.epoch
        self._refused[partition] = max(epoch, self._refused.get(partition, 0))
        async with self._batcher.paused():
            if self._moved(partition) >= epoch:
                move = self._engine.state.counters.moves[partition]
                return move == Move(epoch, came=True)
            done = self._batcher.put_first(self._departure(moving))
        await done
        return False

    async def forget(self, moving: Moving) -> None:
        """Forget the people of a partition that another shard has taken.

        Raises
        ------
        ShardUnavailable
            When the store cannot write.
        """
        async with self._batcher.paused():
            if self._moved(moving.partition) >= moving.epoch:
                return
            done = self._batcher.put_first(self._departure(moving))
        await done

    def _moved(self, partition: int) -> int:
        """Return the epoch of a partition's last move that this shard has seen to its end."""
        move = self._engine.state.counters.moves.get(partition)
        return 0 if move is None else move.epoch

    def _departure(self, moving: Moving) -> PartitionOut:
        clock_ms = self._engine.state.counters.clock_ms
        return departure(moving.partition, self._territory.partitions, moving.epoch, clock_ms)
