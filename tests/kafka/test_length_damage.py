"""A batch whose length on the broker's disk points beyond the end of its file.

To the broker it is a batch that is not written yet: it sends nothing, and says no word of it.
"""

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from recsys.clock import now_ms
from tests.kafka.broker import ROLL_S, Broker
from tests.kafka.rig import JSON, Rig, click, reset_offsets, user_in

_LENGTH_AT = 8
"""Bytes into a batch, behind the offset."""
_BEFORE = 12
"""Bytes that its length does not count."""


def point_beyond(broker: Broker, name: str, batch: int) -> None:
    """Have the length of a partition's batch point beyond the end of the only file."""
    (segment,) = (broker.data / name).glob("*.log")
    content, start = segment.read_bytes(), 0
    for _ in range(batch):
        length = content[start + _LENGTH_AT : start + _BEFORE]
        start += _BEFORE + int.from_bytes(length)
    with segment.open("r+b") as file:
        file.seek(start + _LENGTH_AT)
        file.write((1 << 30).to_bytes(4))


def impatient(rig: Rig) -> None:
    """Have what is withheld told after a moment."""
    kafka = rig.settings.kafka.model_copy(update={"withheld_s": 1.0})
    rig.settings = rig.settings.model_copy(update={"kafka": kafka})


async def test_a_length_beyond_the_end_stops_its_partition_and_no_other(
    rig: Rig, own_broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    impatient(rig)
    hurt, well = user_in(0, 4), user_in(2, 4)
    await rig.feed(0, 3, [hurt])
    await rig.start(0)
    await rig.caught_up(3)
    await rig.stop(0)
    await rig.feed(3, 2, [hurt])
    name = f"{rig.topics.feedback}-0"
    point_beyond(own_broker, name, 3)
    await rig.feed(20, 3, [well])
    async with rig.traffic(23, [well]) as sent:
        await rig.start(0)
        stats = await rig.until("it is given up", lambda s: len(s.gaps) == 1)
    (gap,) = stats.gaps
    assert (gap.partition, gap.cause, gap.position, gap.end) == (name, "withheld", 3, 5)
    (trouble,) = rig.shards[0].trouble()
    assert f"data_gap in {name}: the broker gives nothing from offset 3 on" in trouble
    assert [one for one in caplog.messages if trouble in one]
    await rig.until("others are read", lambda s: s.records >= 3 + len(sent))
    assert stats.reconnects == 0
    assert {"e20", "e21", "e22", *(f"e{n}" for n in sent)} <= set(rig.ids(0))

    # What comes later does not come either, until the operator says where to go on.
    await rig.feed(5, 2, [hurt])
    await rig.stop(0)
    await rig.start(0)
    again = await rig.until("it is given up again", lambda s: len(s.gaps) == 1)
    assert (again.gaps[0].cause, again.gaps[0].position, again.gaps[0].end) == ("withheld", 3, 7)
    await rig.stop(0)
    reset_offsets(rig, "--partition", "0", "--to", "latest")
    await rig.start(0)
    await rig.until("it is read again", lambda s: s.state == "reading")
    assert rig.kafka(0).gaps == ()


async def test_what_the_broker_leaves_out_is_not_passed_over(rig: Rig, own_broker: Broker) -> None:
    """With its next file it goes on as if the rest of the damaged one had never been."""
    hurt = user_in(0, 4)
    await rig.feed(0, 5, [hurt], ts_ms=now_ms() - int(2000 * ROLL_S))
    name = f"{rig.topics.feedback}-0"
    point_beyond(own_broker, name, 3)
    await rig.feed(5, 2, [hurt])
    assert len(list((own_broker.data / name).glob("*.log"))) == 2
    await rig.start(0)
    stats = await rig.until("it is given up", lambda s: len(s.gaps) == 1)
    (gap,) = stats.gaps
    assert (gap.partition, gap.cause, gap.position) == (name, "skipped", 3)
    assert (gap.missing_from, gap.missing_to, gap.end) == (3, 5, 7)
    (trouble,) = rig.shards[0].trouble()
    assert "offsets 3 to 5, without the last, are left out by the broker" in trouble
    assert rig.ids(0) == ["e0", "e1", "e2"]
    await rig.stop(0)
    reset_offsets(rig, "--partition", "0", "--to", "5")
    await rig.start(0)
    await rig.until("the rest is read", lambda s: s.records == 2)
    assert rig.kafka(0).gaps == ()
    assert rig.ids(0) == ["e0", "e1", "e2", "e5", "e6"]


async def test_a_transaction_that_is_open_or_was_taken_back_is_no_damage(
    rig: Rig, own_broker: Broker
) -> None:
    impatient(rig)
    slow, hurt = user_in(0, 4), user_in(2, 4)
    topic, servers = rig.topics.feedback, rig.settings.kafka.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, transactional_id=topic) as writer:

        async def write(n: int) -> None:
            body = msgspec.json.encode(click(n, slow))
            await writer.send_and_wait(topic, body, key=slow.encode(), headers=[*JSON.items()])

        await writer.begin_transaction()
        await write(0)
        await writer.commit_transaction()
        await writer.begin_transaction()
        await write(1)
        await writer.abort_transaction()
        await writer.begin_transaction()
        await write(2)
        await rig.feed(3, 1, [slow])
        await rig.feed(20, 1, [hurt])
        point_beyond(own_broker, f"{topic}-2", 0)
        await rig.start(0)
        # The same answers hold nothing of both for the same time, which is long enough for one.
        stats = await rig.until("the other is given up", lambda s: len(s.gaps) == 1)
        assert [gap.partition for gap in stats.gaps] == [f"{topic}-2"]
        assert rig.ids(0) == ["e0"]
        await writer.commit_transaction()
        stats = await rig.until("all is read", lambda s: s.records == 3)
    assert rig.ids(0) == ["e0", "e2", "e3"]
    assert len(stats.gaps) == 1
