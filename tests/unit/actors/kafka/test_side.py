"""A shard's side of Kafka, on a Kafka in memory that does all that can go wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from time import monotonic

import msgspec
import pytest

from actors.kafka.base import Partition, PartitionStuck, Topic
from actors.kafka.positions import DECISIONS, mark_name
from actors.kafka.side import KafkaSide
from recsys.clock import now_ms
from recsys.events import Decision, Slot
from tests.unit.actors.kafka.fakes import SETTINGS, FakeHome, FakeKafka, until, user_in

NAMES = SETTINGS.kafka.topics
OWN = Partition(NAMES.feedback, 0)
OTHER = Partition(NAMES.feedback, 2)
USER, NEIGHBOUR = user_in(0), user_in(2)


def click(n: int, user_id: str = USER) -> bytes:
    return msgspec.json.encode(
        {"event_id": f"e{n}", "type": "click", "user_id": user_id, "item_id": f"i{n}"}
    )


def fill(kafka: FakeKafka, numbers: Iterable[int], user_id: str = USER) -> None:
    number = OWN.number if user_id == USER else OTHER.number
    for n in numbers:
        kafka.put(NAMES.feedback, number, click(n, user_id), user_id.encode())


@asynccontextmanager
async def running(home: FakeHome, kafka: FakeKafka) -> AsyncIterator[KafkaSide]:
    side = KafkaSide(home, SETTINGS, home.store.positions(), kafka.clients())
    side.start()
    try:
        yield side
    finally:
        await side.stop()


def ids(home: FakeHome) -> list[str]:
    return [event.event_id for _, event in home.store.read(after=0)]


def letters(kafka: FakeKafka) -> list[dict[str, str]]:
    return [
        {name: value.decode() for name, value in message.headers}
        for message in kafka.written
        if message.topic == NAMES.dead_letters
    ]


async def test_events_and_positions_are_one_commit() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    fill(kafka, range(5))
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 5)
        stats = side.stats()
    assert ids(home) == [f"e{n}" for n in range(5)]
    assert (5, {OWN.name: 5}) in home.commits
    assert home.store.positions()[mark_name(OWN)] == 11
    assert stats.state == "reading"
    assert kafka.told[OWN] <= 5


async def test_a_new_session_reads_nothing_twice() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    fill(kafka, range(3))
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 3)
        kafka.down = True
        await until(lambda: side.stats().reconnects >= 3)
        assert side.stats().state == "connecting"
        fill(kafka, range(3, 5))
        kafka.down = False
        await until(lambda: side.stats().records == 5)
    assert ids(home) == [f"e{n}" for n in range(5)]
    async with running(home, kafka) as again:
        await until(lambda: again.stats().state == "reading")
        fill(kafka, [5])
        await until(lambda: again.stats().records == 1)
    assert ids(home) == [f"e{n}" for n in range(6)]


async def test_poison_waits_for_its_letter_before_anybody_goes_on() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    kafka.put(NAMES.feedback, 0, b"{", USER.encode(), (("content-type", b"application/json"),))
    fill(kafka, [1])
    kafka.mute = True
    async with running(home, kafka) as side:
        await until(lambda: side.stats().state == "reading")
        await until(lambda: side.stats().reconnects >= 1)  # the letter was not confirmed in time
        assert ids(home) == []
        assert home.store.positions()[OWN.name] == 0
        kafka.mute = False
        await until(lambda: side.stats().records == 2)
        assert side.stats().dead_letters == {"unreadable": 1}
    assert ids(home) == ["e1"]
    (letter,) = letters(kafka)
    assert letter["content-type"] == "application/json"
    assert {name: letter[f"dl-{name}"] for name in ("cause", "topic", "partition", "offset")} == {
        "cause": "unreadable", "topic": NAMES.feedback, "partition": "0", "offset": "0",
    }  # fmt: skip


async def test_a_store_that_cannot_write_is_asked_again_with_the_same_batch() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    async with running(home, kafka) as side:
        await until(lambda: side.stats().state == "reading")
        home.broken = True
        kafka.put(NAMES.feedback, 0, b"{", USER.encode())
        fill(kafka, range(1, 4))
        await until(lambda: "cannot write" in side.stats().detail)
        home.broken = False
        await until(lambda: side.stats().records == 4)
    assert ids(home) == ["e1", "e2", "e3"]
    assert len(letters(kafka)) == 1


async def test_retention_stops_one_partition_and_no_other() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    fill(kafka, range(2))
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 2)
        kafka.down = True
        await until(lambda: side.stats().state == "connecting")
        fill(kafka, range(2, 9))
        fill(kafka, range(20, 23), NEIGHBOUR)
        kafka.beginnings[OWN] = 6
        kafka.down = False
        await until(lambda: side.stats().records == 5)
        (gap,) = side.stats().gaps
        assert (gap.cause, gap.missing_from, gap.missing_to) == ("retention", 2, 6)
        (trouble,) = side.trouble()
        assert "offsets 2 to 6" in trouble
        await until(lambda: side.stats().lag.get(OWN.name) == 7)
    assert ids(home) == ["e0", "e1", "e20", "e21", "e22"]
    assert home.store.positions()[OWN.name] == 2


async def test_damage_is_fetched_again_and_then_given_up() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    kafka.stuck = [PartitionStuck(OWN, "damaged"), PartitionStuck(OWN, "offset")]
    fill(kafka, [0])
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 1)
        assert side.stats().gaps == ()
        kafka.stuck = [PartitionStuck(OWN, "damaged")] * 3
        await until(lambda: len(side.stats().gaps) == 1)
        fill(kafka, [1], NEIGHBOUR)
        await until(lambda: side.stats().records == 2)
        (gap,) = side.stats().gaps
    assert (gap.cause, gap.position) == ("damaged", 1)
    assert "is damaged" in str(gap)


async def test_what_is_left_out_is_asked_for_again_and_then_given_up() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    fill(kafka, range(9))
    kafka.stuck = [PartitionStuck(OWN, "skipped", 4)] * 2
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 9)
        assert side.stats().gaps == ()
        kafka.stuck = [PartitionStuck(OWN, "skipped", 12)] * 3
        await until(lambda: len(side.stats().gaps) == 1)
        (gap,) = side.stats().gaps
        (trouble,) = side.trouble()
    assert (gap.cause, gap.missing_from, gap.missing_to) == ("skipped", 9, 12)
    assert "offsets 9 to 12, without the last, are left out by the broker" in trouble


async def test_what_is_withheld_was_asked_for_often_enough() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    stranger = Partition(NAMES.feedback, 1)
    kafka.stuck = [PartitionStuck(stranger, "withheld"), PartitionStuck(OWN, "withheld")]
    fill(kafka, range(20, 23), NEIGHBOUR)
    async with running(home, kafka) as side:
        await until(lambda: len(side.stats().gaps) == 1)
        await until(lambda: side.stats().records == 3)
        (gap,) = side.stats().gaps
        assert (gap.partition, gap.cause, gap.position) == (OWN.name, "withheld", 0)
        assert "gives nothing from offset 0 on" in side.trouble()[0]
        assert side.stats().reconnects == 0


async def test_who_is_locked_out_says_so_until_the_door_opens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    kafka.locked = "it refuses the login of ann"
    fill(kafka, range(3))
    async with running(home, kafka) as side:
        await until(lambda: side.stats().reconnects >= 5)
        assert side.trouble() == (f"it does not read from Kafka: {kafka.locked}",)
        assert (side.stats().state, side.stats().detail) == ("connecting", kafka.locked)
        kafka.locked = ""
        await until(lambda: side.stats().records == 3)
        assert side.trouble() == ()
        kafka.down = True
        await until(lambda: side.stats().state == "connecting")
        assert side.trouble() == (), "who is away comes back without anybody's help"
    said = [one for one in caplog.messages if "not reading" in one]
    assert said == [
        "shard 0: not reading from Kafka: it refuses the login of ann",
        "shard 0: not reading from Kafka: nobody answers",
    ]


async def test_an_hour_in_which_nothing_can_be_learned_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late_s = 0.0
    monkeypatch.setattr("actors.kafka.intake.monotonic", lambda: monotonic() + late_s)
    home, kafka = FakeHome(), FakeKafka.for_settings()
    async with running(home, kafka) as side:
        await until(lambda: side.stats().state == "reading")
        home.resumed.clear()
        fill(kafka, range(3))
        await until(lambda: home.waiting)
        fill(kafka, range(3, 9))
        fill(kafka, range(20, 23), NEIGHBOUR)
        late_s = 3600.0
        home.resumed.set()
        await until(lambda: side.stats().records == 12)
        assert (side.stats().reconnects, kafka.readers) == (0, 1)
    assert sorted(ids(home)) == sorted(f"e{n}" for n in [*range(9), *range(20, 23)])


async def test_a_topic_of_the_same_name_is_noticed_while_reading() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    fill(kafka, range(3))
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 3)
        kafka.topics[NAMES.feedback] = Topic(4, 99)
        await until(lambda: len(side.stats().gaps) == 2)
        assert {gap.cause for gap in side.stats().gaps} == {"recreated"}


async def test_topics_that_do_not_fit_are_refused_and_looked_at_again() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    kafka.topics[NAMES.feedback] = Topic(6, 11)
    async with running(home, kafka) as side:
        await until(lambda: side.stats().state == "refused")
        assert "has 6 partitions and shards.partitions is 4" in side.trouble()[0]
        del kafka.topics[NAMES.feedback]
        await until(lambda: "no topic" in side.stats().detail)
        assert side.trouble() == ()
        kafka.topics[NAMES.feedback] = Topic(4, 11)
        await until(lambda: side.stats().state == "reading")


async def test_what_finds_no_room_is_put_aside_and_the_rest_is_learned_in_order() -> None:
    home, kafka = FakeHome(room=2), FakeKafka.for_settings()
    for n in range(4):
        kafka.put(NAMES.catalogue, 0, b"{}", f"i{n}".encode())
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 4)
        assert side.stats().dead_letters == {"room": 2}
    assert home.engine.stats().items == 2
    assert [letter["dl-offset"] for letter in letters(kafka)] == ["2", "3"]


async def test_one_shard_speaks_of_a_bad_catalogue_record() -> None:
    kafka = FakeKafka.for_settings()
    kafka.put(NAMES.catalogue, 0, b"{", b"i1")
    for index in range(2):
        async with running(FakeHome(index), kafka) as side:
            await until(lambda side=side: side.stats().records == 1)
    assert [letter["dl-shard"] for letter in letters(kafka)] == ["0"]


async def test_a_client_that_cancels_itself_does_not_end_the_reading() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    kafka.stuck = [asyncio.CancelledError(), RuntimeError("a fault of the client")]  # type: ignore[list-item]
    fill(kafka, [0])
    async with running(home, kafka) as side:
        await until(lambda: side.stats().records == 1)
        assert side.stats().reconnects == 2


def decision(n: int) -> Decision:
    return Decision(
        event_id=f"d{n}", user_id=USER, ts_ms=now_ms(), policy="learner",
        slots=(Slot(item_id="i1", propensity=0.5),),
    )  # fmt: skip


def published(kafka: FakeKafka) -> list[str]:
    return [
        msgspec.json.decode(message.value or b"", type=Decision).event_id
        for message in kafka.written
        if message.topic == NAMES.decisions
    ]


async def test_decisions_are_published_from_the_log_and_none_is_lost() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    home.engine.apply([decision(0)])  # before anybody asked for them to be published
    async with running(home, kafka) as side:
        await until(lambda: home.store.positions().get(DECISIONS) == 1)
        home.engine.apply([decision(1), decision(2)])
        await until(lambda: side.stats().decisions_published == 2)
        kafka.down = True
        home.engine.apply([decision(n) for n in range(3, 8)])
        await until(lambda: side.stats().decisions_behind == 5)
        kafka.down = False
        await until(lambda: side.stats().decisions_published == 7)
        await until(lambda: home.store.positions()[DECISIONS] == 8)
    assert published(kafka) == [f"d{n}" for n in range(1, 8)]


async def test_a_crash_before_the_place_is_kept_publishes_again() -> None:
    home, kafka = FakeHome(), FakeKafka.for_settings()
    home.store.append((), {DECISIONS: 0})
    home.engine.apply([decision(0)])
    async with running(home, kafka):
        await until(lambda: home.store.positions()[DECISIONS] == 1)
    home.store.append((), {DECISIONS: 0})  # as if the commit had been lost
    async with running(home, kafka):
        await until(lambda: home.store.positions()[DECISIONS] == 1)
    assert published(kafka) == ["d0", "d0"]
