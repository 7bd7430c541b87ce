"""Which partitions a shard owns right now, so that nobody is served in two places."""

from collections.abc import Mapping

from actors.errors import NotOwned
from actors.shard_map import ShardMap
from recsys.events import Event
from recsys.state import Move

__all__ = ["Territory"]


class Territory:
    """What a shard owns by its own log, and by the map where its log says nothing.

    A partition that the log says has gone belongs to another shard, whatever an older map says.

    Parameters
    ----------
    shard
        Its number.
    shard_map
        As of the opening of the shard.
    moves
        Of the shard's state; read at every question, changed by the fold alone.
    """

    def __init__(self, shard: int, shard_map: ShardMap, moves: Mapping[int, Move]) -> None:
        self._shard = shard
        self._map = shard_map
        self._moves = moves
        self._held = set[int]()

    @property
    def partitions(self) -> int:
        """How many partitions it owns."""
        return sum(self.owns(partition) for partition in range(self._map.partitions))

    def owns(self, partition: int) -> bool:
        """Return whether a partition belongs to the shard, on its way out or not."""
        move = self._moves.get(partition)
        return self._map.owners[partition] == self._shard if move is None else move.came

    def hold(self, partition: int) -> None:
        """Serve nobody of a partition until ``release``: it is being packed."""
        self._held.add(partition)

    def release(self, partition: int) -> None:
        """Serve them again, if the partition is still owned."""
        self._held.discard(partition)

    def check(self, user_id: str) -> None:
        """Let somebody in who belongs here.

        Raises
        ------
        NotOwned
            When another shard owns their partition, or is about to.
        """
        partition = self._map.partition_of(user_id)
        if partition in self._held or not self.owns(partition):
            raise NotOwned(self._shard, partition)

    def check_events(self, events: tuple[Event, ...]) -> None:
        """Let events in if all the people in them belong here; raises as ``check``."""
        for event in events:
            user_id = getattr(event, "user_id", None)
            if user_id is not None:
                self.check(user_id)
