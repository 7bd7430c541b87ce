"""Which partitions a shard owns right now, so that nobody is served in two places."""

from collections.abc import Callable, Mapping, Sequence

from actors.errors import NotOwned
from actors.shard_map import ShardMap
from recsys.counters import Move
from recsys.events import Event

__all__ = ["Territory"]


class Territory:
    """What a shard owns by its own log and by the map, whichever is newer.

    A partition that moves is held by both shards until the map that ends the move is known, or
    until the shard itself knows how it ended: then neither serves its people.

    Parameters
    ----------
    shard
        Its number.
    shard_map
        As of the opening of the shard; the partition that it says is moving is held.
    moves
        Returns those of the shard's state, which the fold alone changes.
    """

    def __init__(
        self, shard: int, shard_map: ShardMap, moves: Callable[[], Mapping[int, Move]]
    ) -> None:
        self._shard = shard
        self._map = shard_map
        self._moves = moves
        self._held = dict[int, int]()
        self._known: object = None
        self._owned: tuple[int, ...] = ()
        if shard_map.moving is not None:
            self._held[shard_map.moving.partition] = shard_map.moving.epoch

    @property
    def partitions(self) -> int:
        """How many partitions there are in all."""
        return self._map.partitions

    @property
    def owned(self) -> Sequence[int]:
        """The partitions whose people are served here; the same object until they change."""
        moves = {p: move for p, move in self._moves().items() if move.epoch >= self._map.epoch}
        known = self._map, set(self._held), moves
        if known != self._known:
            self._known = known
            everything = range(self._map.partitions)
            self._owned = tuple(p for p in everything if p not in self._held and self.owns(p))
        return self._owned

    @property
    def held(self) -> tuple[int, ...]:
        """The partitions that wait for the end of a move."""
        return tuple(sorted(self._held))

    def owns(self, partition: int) -> bool:
        """Return whether a partition belongs to the shard, on its way out or not."""
        move = self._moves().get(partition)
        if move is None or move.epoch < self._map.epoch:
            return self._map.owners[partition] == self._shard
        return move.came

    def hold(self, partition: int, epoch: int) -> None:
        """Serve nobody of a partition that moves in this epoch, until ``release`` or ``adopt``."""
        self._held[partition] = epoch

    def release(self, partition: int) -> None:
        """Serve them again, if the partition is owned."""
        self._held.pop(partition, None)

    def adopt(self, shard_map: ShardMap) -> None:
        """Go by a map that is not older: what moved before it is not held any more."""
        if shard_map.epoch < self._map.epoch:
            return
        self._map = shard_map
        moving = None if shard_map.moving is None else shard_map.moving.partition
        for partition, epoch in list(self._held.items()):
            if epoch < shard_map.epoch and partition != moving:
                del self._held[partition]

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

    def check_events(self, events: Sequence[Event]) -> None:
        """Let events in if all the people in them belong here; raises as ``check``."""
        for event in events:
            user_id = getattr(event, "user_id", None)
            if user_id is not None:
                self.check(user_id)

    def check_still(self, user_id: str) -> None:
        """Let somebody in who is not just moving, whoever owns them; raises as ``check``."""
        partition = self._map.partition_of(user_id)
        if partition in self._held:
            raise NotOwned(self._shard, partition)
