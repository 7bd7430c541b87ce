"""The partition of any user is the one that aiokafka's producer chooses."""

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from recsys.partition import partition_of
from tests.property.strategies import ids


@given(ids() | st.text(st.characters(codec="utf-8")), st.integers(1, 2**31))
def test_partitions_agree_with_aiokafka(user_id: str, n_partitions: int) -> None:
    expected = (murmur2(user_id.encode()) & 0x7FFFFFFF) % n_partitions
    assert partition_of(user_id, n_partitions) == expected
