"""Partitions are dealt out evenly, and no more of them move than must."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.shard_map import ShardMap, rebalanced
from recsys.partition import partition_of, shard_of


def test_the_first_map_deals_partitions_out_in_turn() -> None:
    first = ShardMap.dealt_out(3, 8)
    assert first == ShardMap(0, (0, 1, 2, 0, 1, 2, 0, 1))
    assert [first.owned_by(shard) for shard in range(4)] == [(0, 3, 6), (1, 4, 7), (2, 5), ()]
    for user_id in ("ann", "bob", "ünïcode", "x" * 200):
        assert first.partition_of(user_id) == partition_of(user_id, 8)
        assert first.owner(user_id) == shard_of(user_id, 8, 3)


@given(
    owners=st.lists(st.integers(0, 9), min_size=1, max_size=64),
    shards=st.integers(1, 12),
)
def test_it_is_even_and_moves_as_few_as_possible(owners: list[int], shards: int) -> None:
    if shards > len(owners):
        with pytest.raises(ValueError, match="partitions go to 1 to"):
            rebalanced(owners, shards)
        return
    found = rebalanced(owners, shards)
    sizes = [found.count(shard) for shard in range(shards)]
    assert sum(sizes) == len(owners)
    assert max(sizes) - min(sizes) <= 1
    # Whatever the division, a shard keeps at most its share: with the largest shares where most
    # is owned, that many stay and no more can.
    most = sorted((owners.count(shard) for shard in range(shards)), reverse=True)
    stay = sum(map(min, most, sorted(sizes, reverse=True)))
    assert sum(old == new for old, new in zip(owners, found, strict=True)) == stay
    assert rebalanced(found, shards) == found
