"""What every store must keep to when people go and come; ``recsys.checks.store`` runs it."""

from collections.abc import Callable

from recsys.codec import pack
from recsys.events import Event, Feedback, PartitionIn
from recsys.partition import partition_of
from recsys.store.base import Append, Outcome, Store
from recsys.store.dedupe import fingerprint

__all__ = ["MOVES"]

Open = Callable[[], Store]


def _expect(what: str, expected: object, actual: object) -> None:
    if expected != actual:
        message = f"{what}: expected {expected!r}, got {actual!r}"
        raise AssertionError(message)


def _click(number: int, *, item: str = "item") -> Feedback:
    return Feedback(
        event_id=f"event-{number}", user_id="user", ts_ms=1000, type="click", item_id=item
    )


def _clicks(*numbers: int) -> list[Event]:
    return [_click(number) for number in numbers]


def _gone(open_store: Open) -> None:
    store = open_store()
    store.append(_clicks(1))
    ann, bob = pack("ann"), pack("bob")
    store.commit_snapshot(1, {}, {"ann": ann, "bob": bob, "eve": ann})
    store.commit_snapshot(1, {}, {"eve": bob}, gone=["ann", "eve", "nobody"])
    store = open_store()
    _expect("users", ["bob", "eve"], list(store.user_ids()))
    _expect("somebody who went", None, store.load_user("ann"))
    _expect("somebody who went and came", bob, store.load_user("eve"))


def _guests(open_store: Open) -> None:
    old = open_store()
    partition = partition_of("user", 4)
    other = next(name for name in map(str, range(99)) if partition_of(name, 4) != partition)
    stranger = Feedback(event_id="other", user_id=other, ts_ms=1, type="click", item_id="item")
    old.append([*_clicks(1, 2), stranger])
    came = list(old.remembered(partition, 4))
    _expect("ids of a partition", 2, len(came))
    guests = tuple(fingerprint(_click(number)) for number in (11, 12))
    move = PartitionIn(
        event_id="move",
        ts_ms=1,
        partition=partition,
        partitions=4,
        epoch=1,
        part=0,
        last=True,
        record=b"",
        remembered=(*guests, came[0]),
    )
    _expect("the move", [Append(Outcome.ACCEPTED, 4)], old.append([move]))
    store = open_store()
    appends = store.append([*_clicks(11, 1), _click(12, item="another"), _click(13)])
    expected = [
        Append(Outcome.DUPLICATE, 4),
        Append(Outcome.DUPLICATE, 1),
        Append(Outcome.CONFLICT, 4),
        Append(Outcome.ACCEPTED, 5),
    ]
    _expect("outcomes", expected, appends)
    all_of_it = {*guests, *came, fingerprint(_click(13))}
    _expect("ids of the partition", all_of_it, set(store.remembered(partition, 4)))


MOVES: dict[str, Callable[[Open], None]] = {
    "dropped users are gone": _gone,
    "what came from another shard is not taken again": _guests,
}
