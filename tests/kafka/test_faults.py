"""What a real broker and its records can do wrong, and what becomes of it."""

import asyncio

from recsys.events import Feedback, ItemUpsert
from tests.kafka.broker import Broker, eventually
from tests.kafka.rig import JSON, Rig, click, reset_offsets, user_in

MSGPACK = {"content-type": b"application/msgpack"}


def headers_of(record: object) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}  # type: ignore[attr-defined]


async def test_poison_is_put_aside_with_its_cause_and_what_follows_is_learned(rig: Rig) -> None:
    user, topic = user_in(0, 4), rig.topics.feedback
    await rig.send(topic, click(0, user), user)
    poison: list[tuple[str, object, str | None, dict[str, bytes]]] = [
        ("unreadable", b"{", user, JSON),
        ("unreadable", b"\xc1", user, MSGPACK),
        ("invalid", click(1, user, value="many"), user, JSON),
        ("invalid", click(1, user, type="stare"), user, JSON),
        ("key", click(1, user_in(0, 4, 1)), user, JSON),
        ("content_type", b"a,b", user, {"content-type": b"text/csv"}),
        ("cloudevents", click(1, user), user, {"ce_specversion": b"1.0"}),
        ("too_large", b" " * (rig.settings.kafka.max_record_bytes - 5000), user, JSON),
    ]
    rig.settings = rig.settings.model_copy(
        update={"kafka": rig.settings.kafka.model_copy(update={"max_record_bytes": 100_000})}
    )
    for _, value, key, headers in poison:
        await rig.send(topic, value, key, headers, partition=0)
    stranger = user_in(1, 4)
    await rig.send(topic, click(1, stranger), stranger, partition=0)
    await rig.send(topic, None, user, {})
    await rig.send(topic, click(2, user), user)
    await rig.start(0)
    stats = await rig.until("all is settled", lambda s: s.records == len(poison) + 4)

    assert rig.ids(0) == ["e0", "e2"]
    assert stats.tombstones == 1
    assert stats.dead_letters == {
        "cloudevents": 1, "content_type": 1, "invalid": 2, "key": 1, "partition": 1,
        "too_large": 1, "unreadable": 2,
    }  # fmt: skip
    letters = await rig.read_all(rig.topics.dead_letters, 1, len(poison) + 1)
    found = [headers_of(letter) for letter in letters]
    assert [letter["dl-cause"] for letter in found] == [cause for cause, *_ in poison] + [
        "partition"
    ]
    assert [letter["dl-offset"] for letter in found] == [str(n + 1) for n in range(len(poison) + 1)]
    assert {letter["dl-topic"] for letter in found} == {topic}
    assert letters[0].value == b"{"
    assert letters[0].key == user.encode()
    assert found[0]["content-type"] == "application/json"


async def test_a_restart_does_not_put_the_same_record_aside_again(rig: Rig) -> None:
    user = user_in(0, 4)
    await rig.send(rig.topics.feedback, b"{", user)
    await rig.start(0)
    await rig.until("it is put aside", lambda s: s.dead_letters == {"unreadable": 1})
    await rig.until("the position is durable", lambda s: s.records == 1)
    await rig.stop(0)
    await rig.send(rig.topics.feedback, click(1, user), user)
    await rig.start(0)
    stats = await rig.until("the next is learned", lambda s: s.records == 1)
    assert stats.dead_letters == {}
    assert rig.ids(0) == ["e1"]
    assert len(await rig.read_all(rig.topics.dead_letters, 1, 1)) == 1


async def test_what_retention_took_is_named_exactly_and_others_are_read(rig: Rig) -> None:
    lost, well = user_in(0, 4), user_in(2, 4)
    await rig.feed(0, 5, [lost])
    await rig.start(0)
    await rig.caught_up(5)
    await rig.stop(0)
    await rig.feed(5, 10, [lost])
    await rig.delete_before(rig.topics.feedback, 0, 12)
    await rig.feed(20, 3, [well])
    await rig.start(0)

    name = f"{rig.topics.feedback}-0"
    stats = await rig.until("others are read", lambda s: s.records == 3)
    (gap,) = stats.gaps
    assert (gap.partition, gap.cause, gap.missing_from, gap.missing_to) == (
        name,
        "retention",
        5,
        12,
    )
    assert (gap.position, gap.beginning, gap.end) == (5, 12, 15)
    (trouble,) = rig.shards[0].trouble()
    assert f"data_gap in {name}: offsets 5 to 12, without the last, were deleted" in trouble
    behind = await rig.until("the lag is seen", lambda s: s.lag.get(name) == 10)
    assert behind.state == "reading"

    # Nothing but the operator's word lets it go on.
    await rig.stop(0)
    await rig.start(0)
    assert await rig.until("it is still there", lambda s: s.gaps == (gap,))
    await rig.stop(0)
    reset_offsets(rig, "--partition", "0", "--to", "earliest")
    await rig.start(0)
    stats = await rig.until("the rest is read", lambda s: s.records == 3)
    assert stats.gaps == ()
    assert rig.ids(0) == sorted(f"e{n}" for n in [*range(5), *range(12, 15), *range(20, 23)])


async def test_a_place_beyond_the_end_is_not_waited_for(rig: Rig) -> None:
    user = user_in(0, 4)
    await rig.feed(0, 3, [user])
    await rig.start(0)
    await rig.caught_up(3)
    await rig.stop(0)
    # As after a broker that lost its newest records.
    reset_offsets(rig, "--partition", "0", "--to", "100")
    await rig.start(0)
    stats = await rig.until("it is noticed", lambda s: len(s.gaps) == 1)
    (gap,) = stats.gaps
    assert (gap.cause, gap.missing_from, gap.missing_to) == ("beyond_end", 3, 100)


async def test_a_topic_made_anew_is_not_taken_for_the_old_one(rig: Rig) -> None:
    user = user_in(0, 4)
    await rig.start(0)
    await rig.until("it reads", lambda s: s.state == "reading")
    await rig.feed(0, 2, [user])
    await rig.caught_up(2)
    await rig.admin.delete_topics([rig.topics.feedback])
    await rig.until("the topic is missed", lambda s: "no topic" in s.detail)
    await rig.open_topics()
    stats = await rig.until("it is another topic", lambda s: len(s.gaps) == 2)
    assert [(gap.cause, gap.position) for gap in stats.gaps] == [("recreated", 2), ("recreated", 0)]
    # As many as there were: by offsets alone, nobody would see it.
    await rig.feed(0, 4, [user])
    await rig.stop(0)
    reset_offsets(rig, "--to", "earliest")
    await rig.start(0)
    await rig.until("the new topic is read", lambda s: s.records == 4)
    assert rig.ids(0) == ["e0", "e1", "e2", "e3"]


async def test_serving_goes_on_while_the_broker_is_away(rig: Rig, own_broker: Broker) -> None:
    user = user_in(0, 4)
    await rig.feed(0, 3, [user])
    await rig.start(0)
    await rig.caught_up(3)
    await rig.recommend(0, user, "d1")
    await asyncio.to_thread(own_broker.kill)
    try:
        away = await rig.until("it is missed", lambda s: s.state == "connecting")
        assert away.reconnects > 0
        await rig.recommend(0, user, "d2")
    finally:
        await asyncio.to_thread(own_broker.start)
    await rig.feed(3, 3, [user])
    await rig.until("the rest is read", lambda s: s.records == 6)
    assert rig.ids(0) == [f"e{n}" for n in range(6)]
    published = await rig.read_all(rig.topics.decisions, 4, 2)
    assert {headers_of(record)["event-id"] for record in published} >= {"d1", "d2"}


async def test_topics_that_do_not_fit_are_refused_with_advice(rig: Rig) -> None:
    shards = rig.settings.shards.model_copy(
        update={"partitions": 8, "data_dir": rig.settings.shards.data_dir / "other"}
    )
    await rig.start(0, settings=rig.settings.model_copy(update={"shards": shards}))
    stats = await rig.until("it refuses", lambda s: s.state == "refused")
    assert "has 4 partitions and shards.partitions is 8" in stats.detail
    assert rig.shards[0].trouble() == (stats.detail,)


async def test_a_shard_that_begins_before_its_topics_waits_for_them(rig: Rig) -> None:
    topics = rig.topics.model_copy(update={"dead_letters": f"{rig.topics.dead_letters}.later"})
    kafka = rig.settings.kafka.model_copy(update={"topics": topics})
    rig.settings = rig.settings.model_copy(update={"kafka": kafka})
    await rig.start(0)
    stats = await rig.until("it says what is missing", lambda s: "no topic" in s.detail)
    assert f"{topics.dead_letters}; make it with `recsys kafka topics --create`" in stats.detail
    await rig.open_topics()
    await rig.until("it reads", lambda s: s.state == "reading")


async def test_items_beyond_the_catalogue_are_put_aside(rig: Rig) -> None:
    catalogue = rig.settings.engine.catalogue.model_copy(update={"max_items": 3})
    engine = rig.settings.engine.model_copy(update={"catalogue": catalogue})
    for n in range(5):
        await rig.send(rig.topics.catalogue, {"attributes": {}}, f"i{n}", partition=0)
    await rig.start(0, settings=rig.settings.model_copy(update={"engine": engine}))
    stats = await rig.until("all is settled", lambda s: s.records == 5)
    assert stats.dead_letters == {"room": 2}
    items = [event.item_id for event in rig.events(0) if isinstance(event, ItemUpsert)]
    assert items == ["i0", "i1", "i2"]


async def test_first_start_at_the_end_leaves_out_what_was_there(rig: Rig) -> None:
    user = user_in(0, 4)
    kafka = rig.settings.kafka.model_copy(update={"first_start": "latest"})
    rig.settings = rig.settings.model_copy(update={"kafka": kafka})
    await rig.feed(0, 3, [user])
    await rig.send(rig.topics.catalogue, {"attributes": {}}, "i1")
    await rig.start(0)
    await rig.until("the catalogue is read", lambda s: s.records == 1)
    await rig.feed(3, 1, [user])
    await rig.until("what is new is read", lambda s: s.records == 2)
    assert rig.ids(0) == ["e3"]


async def test_kafka_is_told_what_is_learned_and_never_more(rig: Rig) -> None:
    user = user_in(0, 4)
    await rig.feed(0, 7, [user])
    await rig.start(0)
    await rig.caught_up(7)

    async def told() -> bool:
        return await rig.committed(rig.topics.feedback, 0) == 7

    await eventually("the offset is told", told)
    assert rig.engines[0].store.positions()[f"{rig.topics.feedback}-0"] == 7
    assert all(isinstance(event, Feedback) for event in rig.events(0))
