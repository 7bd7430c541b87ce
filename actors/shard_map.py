"""Who owns which users: the one place that knows how partitions are dealt out."""

from collections.abc import Sequence
from typing import Self

import msgspec

from recsys.partition import partition_of

__all__ = ["Moving", "ShardMap", "rebalanced"]


class Moving(msgspec.Struct, frozen=True):
    """A partition on its way from one shard to another.

    Attributes
    ----------
    epoch
        That began with the move.
    """

    partition: int
    old: int
    new: int
    epoch: int


class ShardMap(msgspec.Struct, frozen=True):
    """The owner of each partition.

    Attributes
    ----------
    epoch
        Grows whenever a shard was opened anew or a partition has moved.
    owners
        The shard of each partition, shape ``(n_partitions,)``.
    moving
        A move that was begun and of which it is not written down how it ended.
    """

    epoch: int
    owners: tuple[int, ...]
    moving: Moving | None = None

    @classmethod
    def dealt_out(cls, shards: int, partitions: int) -> Self:
        """Return the first map of a data directory: one to each shard, in turn."""
        return cls(0, tuple(partition % shards for partition in range(partitions)))

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return len(self.owners)

    def partition_of(self, user_id: str) -> int:
        """Return the partition of a user."""
        return partition_of(user_id, len(self.owners))

    def owner(self, user_id: str) -> int:
        """Return the shard that owns a user."""
        return self.owners[partition_of(user_id, len(self.owners))]

    def owned_by(self, shard: int) -> tuple[int, ...]:
        """Return the partitions that a shard owns."""
        return tuple(partition for partition, owner in enumerate(self.owners) if owner == shard)


def rebalanced(owners: Sequence[int], shards: int) -> tuple[int, ...]:
    """Deal partitions out evenly over so many shards, moving as few of them as possible.

    Parameters
    ----------
    owners
        The shard of each partition now.
    shards
        From 0 to this number, exclusive; those beyond lose all that they own.

    Raises
    ------
    ValueError
        When there are more shards than partitions.
    """
    partitions = len(owners)
    if not 1 <= shards <= partitions:
        message = f"{partitions} partitions go to 1 to {partitions} shards, not to {shards}"
        raise ValueError(message)
    kept: list[list[int]] = [[] for _ in range(shards)]
    homeless = list[int]()
    for partition, owner in enumerate(owners):
        (kept[owner] if owner < shards else homeless).append(partition)
    # Whoever has most now may keep one more than the others.
    order = sorted(range(shards), key=lambda shard: (-len(kept[shard]), shard))
    share = {
        shard: partitions // shards + (place < partitions % shards)
        for place, shard in enumerate(order)
    }
    for shard, mine in enumerate(kept):
        homeless.extend(mine[share[shard] :])
        del mine[share[shard] :]
    found = list(owners)
    homeless.sort()
    waiting = iter(homeless)
    for shard, mine in enumerate(kept):
        for _ in range(share[shard] - len(mine)):
            found[next(waiting)] = shard
    return tuple(found)
