"""Users go where Kafka's own producers put them."""

import pytest

from recsys.partition import partition_of

# The vectors of Kafka's own test (org.apache.kafka.common.utils.UtilsTest#testMurmur2).
KAFKA = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize(("user_id", "murmur2"), KAFKA.items())
def test_kafkas_own_vectors(user_id: str, murmur2: int) -> None:
    assert partition_of(user_id, 2**31) == murmur2 & 0x7FFFFFFF


def test_one_partition_takes_everybody() -> None:
    assert {partition_of(f"user-{number}", 1) for number in range(100)} == {0}


def test_partitions_are_evenly_filled() -> None:
    counts = [0] * 16
    for number in range(16_000):
        counts[partition_of(f"user-{number}", 16)] += 1
    # 1000 are expected in each; five standard deviations of a binomial are 153.
    assert max(abs(count - 1000) for count in counts) < 153
