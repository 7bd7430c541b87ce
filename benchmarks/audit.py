"""Holds what a server acknowledged against what it wrote and what it learned."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

__all__ = ["Audit", "Sent", "audit"]


class Sent(msgspec.Struct, frozen=True):
    """An event as its sender knows it."""

    event_id: str
    user_id: str


class Audit(msgspec.Struct, frozen=True):
    """What does not agree; 0 everywhere but in the first two is as it should be.

    Attributes
    ----------
    acknowledged
        Events for which the server answered ``accepted`` or ``duplicate``.
    in_log
        Events that the logs of all shards hold.
    lost
        Acknowledged, but in no log.
    unasked
        In a log, but never acknowledged.
    written_twice
        Further places in the logs of events that have one.
    out_of_order
        People whose events stand in a log in another order than they were sent in.
    not_learned
        Acknowledged, but missing from the count of their person.
    learned_twice
        Counted for their person beyond what was acknowledged.
    """

    acknowledged: int
    in_log: int
    lost: int
    unasked: int
    written_twice: int
    out_of_order: int
    not_learned: int
    learned_twice: int

    @property
    def clean(self) -> bool:
        """Whether everything agrees."""
        faults = (
            self.lost, self.unasked, self.written_twice,
            self.out_of_order, self.not_learned, self.learned_twice,
        )  # fmt: skip
        return not any(faults)


def audit(
    sent: Sequence[Sent],
    acknowledged: Collection[str],
    logs: Iterable[Sequence[Sent]],
    learned: Mapping[str, int],
) -> Audit:
    """Compare.

    Parameters
    ----------
    sent
        In the order of sending, as far as one person is concerned.
    acknowledged
        Ids.
    logs
        Per shard, in the order of the log.
    learned
        Events that the server has learned, by user id.
    """
    logs = list(logs)
    written = [event for log in logs for event in log]
    places = Counter(event.event_id for event in written)
    promised = [event for event in sent if event.event_id in acknowledged]
    expected = Counter(event.user_id for event in promised)
    differences = [learned.get(user, 0) - expected[user] for user in {*expected, *learned}]
    known = {event.event_id for event in promised}
    return Audit(
        acknowledged=len(promised),
        in_log=len(places),
        lost=sum(event.event_id not in places for event in promised),
        unasked=sum(event_id not in known for event_id in places),
        written_twice=sum(count - 1 for count in places.values()),
        out_of_order=sum(_out_of_order(sent, log) for log in logs),
        not_learned=sum(max(0, -difference) for difference in differences),
        learned_twice=sum(max(0, difference) for difference in differences),
    )


def _out_of_order(sent: Sequence[Sent], written: Sequence[Sent]) -> int:
    """Count the people whose events come in another order than they were sent in."""
    rank = {event.event_id: place for place, event in enumerate(sent)}
    ranks: defaultdict[str, list[int]] = defaultdict(list)
    for event in written:
        if event.event_id in rank:
            ranks[event.user_id].append(rank[event.event_id])
    return sum(found != sorted(found) for found in ranks.values())
