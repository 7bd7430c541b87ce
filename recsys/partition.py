"""Maps a user to a partition the way every Kafka producer does.

Kafka's default partitioner is murmur2 of the key, made positive, modulo the number of partitions
(``org.apache.kafka.common.utils.Utils.murmur2``). The same function here means that a producer in
any language that keys its records by user id agrees with us about who owns the user. The tests
hold it against aiokafka's.
"""

import functools

__all__ = ["partition_of", "shard_of"]

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def _murmur2(data: bytes) -> int:
    """Return the unsigned 32-bit murmur2 hash of ``data``."""
    h = _SEED ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if whole != len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


@functools.lru_cache(maxsize=65_536)
def partition_of(user_id: str, n_partitions: int) -> int:
    """Return the partition, in ``range(n_partitions)``, that owns ``user_id``."""
    return (_murmur2(user_id.encode()) & 0x7FFFFFFF) % n_partitions


def shard_of(user_id: str, n_partitions: int, n_shards: int) -> int:
    """Return the shard, in ``range(n_shards)``, that owns the partition of ``user_id``."""
    return partition_of(user_id, n_partitions) % n_shards
