"""Shards that read from a real broker: everything once, whatever is ended and started."""

from actors.messages import Appended, Batch, decode, encode
from actors.settings import ServerSettings
from recsys.events import Feedback, ItemRemove, ItemUpsert
from recsys.store.base import Outcome
from tests.kafka.rig import Rig, click, reset_offsets, user_in


def users(settings: ServerSettings) -> list[str]:
    return [user_in(number, settings.shards.partitions) for number in range(4)]


async def test_each_shard_learns_its_own_users_and_the_whole_catalogue(rig: Rig) -> None:
    people = users(rig.settings)
    await rig.feed(0, 40, people)
    for n in range(6):
        await rig.send(rig.topics.catalogue, {"attributes": {"genre": f"g{n % 2}"}}, f"i{n}")
    await rig.send(rig.topics.catalogue, None, "i5", {})
    await rig.start()
    await rig.caught_up(40 + 2 * 7)

    assert rig.ids() == sorted(f"e{n}" for n in range(40))
    for index in range(2):
        own = {event.user_id for event in rig.events(index) if isinstance(event, Feedback)}
        assert own == {people[index], people[index + 2]}
        items = [event for event in rig.events(index) if isinstance(event, ItemUpsert)]
        assert sorted(item.item_id for item in items) == [f"i{n}" for n in range(6)]
        removed = [event for event in rig.events(index) if isinstance(event, ItemRemove)]
        assert [event.item_id for event in removed] == ["i5"]
    stats = await rig.until(
        "nothing is behind", lambda s: len(s.lag) == 2 + 4 and not any(s.lag.values())
    )
    assert stats.state == "reading"


async def test_a_restarted_shard_goes_on_where_its_store_says(rig: Rig) -> None:
    people = users(rig.settings)
    await rig.feed(0, 20, people)
    await rig.start()
    await rig.caught_up(20)
    fingerprint = rig.engines[0].fingerprint()
    await rig.stop(0)

    await rig.feed(20, 20, people)
    await rig.start(0)
    assert rig.engines[0].fingerprint() == fingerprint
    await rig.until("the rest is settled", lambda s: s.records == 10)
    assert rig.ids(0) == sorted(f"e{n}" for n in range(0, 40, 2))
    assert [event.event_id for event in rig.events(0)].count("e0") == 1


async def test_the_same_event_over_http_and_kafka_is_learned_once(rig: Rig) -> None:
    user = user_in(0, 4)
    await rig.start(0)
    event = Feedback(
        event_id="e1", user_id=user, ts_ms=1_700_000_000_000, type="click", item_id="i1"
    )
    payload = encode(Batch(events=(event,), received_ms=event.ts_ms))
    over_http = decode(await rig.shards[0].call("append", payload), Appended)
    assert [result.outcome for result in over_http.results] == [Outcome.ACCEPTED]
    await rig.send(rig.topics.feedback, click(1, user), user)
    await rig.send(rig.topics.feedback, click(1, user), user)
    await rig.send(rig.topics.feedback, click(2, user), user)
    await rig.caught_up(3)
    assert rig.ids(0) == ["e1", "e2"]


async def test_a_whole_topic_sent_and_read_again_teaches_nothing_twice(rig: Rig) -> None:
    people = users(rig.settings)
    await rig.feed(0, 20, people)
    await rig.feed(0, 20, people)
    await rig.start(0)
    await rig.caught_up(20)
    fingerprint, ids = rig.engines[0].fingerprint(), rig.ids(0)
    assert ids == sorted(f"e{n}" for n in range(0, 20, 2))
    await rig.stop(0)
    reset_offsets(rig, "--to", "earliest")
    await rig.start(0)
    await rig.until("all of it is read again", lambda s: s.records == 20)
    assert rig.ids(0) == ids
    assert rig.engines[0].fingerprint() == fingerprint
