"""What of a partition leaves with it, and what must not."""

import secrets

from recsys.engine import Engine
from recsys.events import Event, Feedback, PartitionIn, UserErase
from recsys.moving.export import Part, Scouted, memories
from recsys.moving.luggage import open_luggage
from recsys.moving.move import arrivals, move
from recsys.partition import partition_of
from recsys.settings import EngineSettings
from recsys.store.base import Outcome
from recsys.store.memory import MemoryStore

PARTITIONS = 4
ANN = "ann"
PARTITION = partition_of(ANN, PARTITIONS)
BOB = next(n for n in map(str, range(99)) if partition_of(n, PARTITIONS) == PARTITION)


def click(event_id: str, user_id: str = ANN) -> Feedback:
    return Feedback(event_id=event_id, user_id=user_id, ts_ms=1, type="click", item_id="i")


def engine(*events: Event) -> Engine:
    made = Engine(MemoryStore(), EngineSettings(), secrets.token_bytes(32))
    made.apply(events)
    return made


def people(parts: list[Part]) -> list[str]:
    return [one.user.user_id for part in parts for one in open_luggage(part.record).people]


def test_who_was_erased_stays_erased_while_the_store_still_has_them() -> None:
    old = engine(click("1"), click("2", BOB))
    old.snapshot()
    old.apply([UserErase(event_id="receipt", user_id=ANN, ts_ms=2)])
    assert old.store.load_user(ANN) is not None
    assert people(list(old.export(PARTITION, PARTITIONS, b""))) == [BOB]


def test_the_ids_of_what_was_erased_come_along() -> None:
    old, new = engine(click("1"), click("2", BOB)), engine()
    old.apply([UserErase(event_id="receipt", user_id=ANN, ts_ms=2)])
    old.snapshot()
    assert old.erasures.complete(3)
    move(old, new, PARTITION, PARTITIONS, epoch=1)
    [again, other, fresh] = new.apply([click("1"), click("2", BOB), click("3")])
    assert [again.outcome, other.outcome] == [Outcome.DUPLICATE] * 2
    assert fresh.outcome is Outcome.ACCEPTED


def test_what_went_ahead_is_not_sent_again() -> None:
    old = engine(click("1"), click("2", BOB))
    ahead = list(memories(old.store, PARTITION, PARTITIONS))
    assert [len(part.remembered) for part in ahead] == [2]
    after = old.store.last_sequence
    old.apply([click("3")])
    scouted = Scouted.of(old.store, PARTITION, PARTITIONS, after)
    parts = list(old.export(PARTITION, PARTITIONS, b"", scouted))
    assert sum(len(part.remembered) for part in parts) == 1
    assert sorted(people(parts)) == sorted([ANN, BOB])


def test_parts_are_numbered_on_and_the_last_one_says_so() -> None:
    parts = [Part(b"", ()), Part(b"", ()), Part(b"", ())]
    events: list[PartitionIn] = list(arrivals(iter(parts), 1, 4, 7, ts_ms=5, first=2))
    assert [(event.part, event.last) for event in events] == [(2, False), (3, False), (4, True)]
    assert len({event.event_id for event in events}) == 3
