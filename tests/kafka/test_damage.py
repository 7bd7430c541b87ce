"""A byte of a log segment that changes on the broker's disk."""

import logging

import pytest

from tests.kafka.broker import Broker
from tests.kafka.rig import Rig, reset_offsets, user_in

_BEFORE_BATCH = 12
"""Bytes: the offset, and the length of what follows."""


def flip(broker: Broker, name: str, words: bytes) -> None:
    """Change one byte of a record on the broker's disk; it sends its files as they are.

    The page cache is one for all processes, so that the next fetch gets the change.
    """
    (segment,) = (broker.data / name).glob("*.log")
    content = segment.read_bytes()
    assert content.count(words) == 1
    place = content.index(words)
    with segment.open("r+b") as file:
        file.seek(place)
        file.write(bytes([content[place] ^ 1]))


async def test_a_damaged_record_stops_its_partition_and_no_other(
    rig: Rig, own_broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    hurt, well = user_in(0, 4), user_in(2, 4)
    await rig.feed(0, 5, [hurt])
    await rig.feed(20, 3, [well])
    name = f"{rig.topics.feedback}-0"
    flip(own_broker, name, b'"e3"')
    async with rig.traffic(25, [well]) as sent:
        with caplog.at_level(logging.WARNING, "actors.kafka.intake"):
            await rig.start(0)
            stats = await rig.until("it is given up", lambda s: len(s.gaps) == 1)
    (gap,) = stats.gaps
    assert (gap.partition, gap.cause, gap.position, gap.end) == (name, "damaged", 3, 5)
    said = [record.getMessage() for record in caplog.records]
    assert len([one for one in said if one.endswith("trying again")]) == 2, "the third was the last"
    assert [one for one in said if f"data_gap in {name}: the record at offset 3" in one]
    (trouble,) = rig.shards[0].trouble()
    assert "is damaged" in trouble

    await rig.feed(23, 2, [well])
    # One more may have been on its way when the traffic ended.
    stats = await rig.until("others are read", lambda s: s.records >= 8 + len(sent))
    assert stats.state == "reading"
    await rig.until("the lag is seen", lambda s: s.lag.get(name) == 2)
    assert {"e0", "e1", "e2", *(f"e{n}" for n in [*range(20, 25), *sent])} <= set(rig.ids(0))
    assert not {"e3", "e4"} & set(rig.ids(0))

    # Nobody but the operator may leave it out.
    await rig.stop(0)
    await rig.start(0)
    again = await rig.until("it is given up again", lambda s: len(s.gaps) == 1)
    assert (again.gaps[0].cause, again.gaps[0].position) == ("damaged", 3)
    await rig.stop(0)
    reset_offsets(rig, "--partition", "0", "--to", "4")
    await rig.start(0)
    stats = await rig.until("the rest is read", lambda s: s.records == 1)
    assert stats.gaps == ()
    assert "e4" in rig.ids(0)
    assert "e3" not in rig.ids(0)


@pytest.mark.parametrize("whole_first", [True, False])
async def test_a_batch_without_a_length_stops_its_partition_and_no_other(
    rig: Rig, own_broker: Broker, whole_first: bool
) -> None:
    """The client finds it and does not say where; when asked for it first, the broker does."""
    hurt, well = user_in(0, 4), user_in(2, 4)
    await rig.feed(0, 3, [hurt])
    if not whole_first:
        await rig.start(0)
        await rig.caught_up(3)
        await rig.stop(0)
    await rig.feed(3, 2, [hurt])
    name = f"{rig.topics.feedback}-0"
    (segment,) = (own_broker.data / name).glob("*.log")
    content, start = segment.read_bytes(), 0
    for _ in range(3):
        start += _BEFORE_BATCH + int.from_bytes(content[start + 8 : start + _BEFORE_BATCH])
    with segment.open("r+b") as file:
        file.seek(start + 8)
        file.write((1).to_bytes(4))
    await rig.start(0)
    stats = await rig.until("it is given up", lambda s: len(s.gaps) == 1)
    (gap,) = stats.gaps
    assert (gap.partition, gap.cause, gap.position) == (name, "damaged", 3)
    assert stats.reconnects == 0, "others are read by the same connection"
    await rig.feed(20, 3, [well])
    await rig.until("others are read", lambda s: s.records == (6 if whole_first else 3))
    assert rig.ids(0) == sorted(f"e{n}" for n in [0, 1, 2, 20, 21, 22])
