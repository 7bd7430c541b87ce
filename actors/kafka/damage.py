"""Sees in a broker's answers that its log is damaged, where aiokafka sees nothing to tell.

A broker sends its files as they are. Where it cannot find its own way in them it says so, which
aiokafka only logs; or it sends nothing, for a batch whose length points beyond the end of the file
is to it a batch that is not written yet; or it goes on with the next file, as if the rest of this
one had never been.
"""

from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest

from actors.kafka.base import Partition, PartitionStuck

if TYPE_CHECKING:
    from aiokafka.protocol.fetch import FetchResponse

__all__ = ["Given", "Inspection", "listen"]

_CORRUPT: Final = 2
_FIRST_OFFSET: Final = 8
"""Bytes at the beginning of a batch."""
_TIMES: Final = 3
"""So many empty answers at least, however much time went by between them."""


class Given(NamedTuple):
    """What an answer holds of one partition.

    Attributes
    ----------
    asked
        The offset that was asked for.
    code
        Of Kafka's errors; 0 is none.
    stable
        Offset of the first record that is not committed yet; all before it can be had.
    records
        Batches one behind the other; among them marks of transactions, and what was taken back.
    """

    partition: Partition
    asked: int
    code: int
    stable: int
    records: bytes


class _Empty(NamedTuple):
    """Since when nothing comes from an offset on, how often, and what there was at first."""

    asked: int
    since: float
    stable: int
    times: int


class Inspection:
    """Keeps what is wrong with partitions until somebody asks.

    Parameters
    ----------
    whole
        The topic of which nothing is missing between its first and its last offset, because it is
        not compacted.
    withheld_s
        A partition that gives nothing of what it holds for so long is stuck.
    clock
        Seconds, from any beginning.
    """

    def __init__(
        self, whole: str, withheld_s: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._whole = whole
        self._withheld_s = withheld_s
        self._clock = clock
        self._empty = dict[Partition, _Empty]()
        self._stuck = dict[Partition, PartitionStuck]()

    def forget(self) -> None:
        """Begin anew: reading begins elsewhere."""
        self._empty.clear()
        self._stuck.clear()

    def check(self) -> None:
        """Raise what was seen, one partition after the other.

        Raises
        ------
        PartitionStuck
            When a partition cannot be read on.
        """
        if self._stuck:
            _, stuck = self._stuck.popitem()
            raise stuck

    def look(self, answer: Iterable[Given]) -> None:
        """Look through one answer, in its order."""
        room = True
        for given in answer:
            if given.code == _CORRUPT:
                self._tell(given, PartitionStuck(given.partition, "damaged"))
            elif given.code == 0:
                self._look_at(given, room)
            # What stands before it may have left no room for it; for the first there always is.
            room = room and not given.records

    def _look_at(self, given: Given, room: bool) -> None:
        if given.records:
            self._empty.pop(given.partition, None)
            begins = int.from_bytes(given.records[:_FIRST_OFFSET])
            if given.partition.topic == self._whole and begins > given.asked:
                self._tell(given, PartitionStuck(given.partition, "skipped", begins))
        elif given.asked >= given.stable:
            self._empty.pop(given.partition, None)
        elif room:
            self._count(given)

    def _count(self, given: Given) -> None:
        """Take down that nothing came although there is something."""
        empty = self._empty.get(given.partition)
        if empty is None or empty.asked != given.asked:
            empty = _Empty(given.asked, self._clock(), given.stable, 0)
        empty = empty._replace(times=empty.times + 1)
        self._empty[given.partition] = empty
        # Compaction may leave nothing at the end of a topic. What is written after that is given.
        certain = given.partition.topic == self._whole or given.stable > empty.stable
        late = self._clock() - empty.since >= self._withheld_s
        if certain and late and empty.times >= _TIMES:
            self._tell(given, PartitionStuck(given.partition, "withheld"))

    def _tell(self, given: Given, stuck: PartitionStuck) -> None:
        self._stuck[given.partition] = stuck


def listen(client: AIOKafkaClient, inspection: Inspection) -> None:
    """Look through all answers that a consumer's client gets from now on."""
    send = client.send

    async def heard(node_id: int, request: object, **more: object) -> object:
        answer = await send(node_id, request, **more)
        if isinstance(request, FetchRequest):
            inspection.look(_given(request, cast("FetchResponse", answer)))
        return answer

    client.send = heard  # type: ignore[method-assign]


def _given(request: FetchRequest, answer: "FetchResponse") -> Iterable[Given]:
    asked = {
        (topic, number): offset
        for topic, partitions in request.topics
        for number, offset, _ in partitions
    }
    for topic, partitions in answer.topics:
        for number, code, _, stable, *_, records in partitions:
            place = Partition(topic, number)
            yield Given(place, asked[topic, number], code, stable, cast("bytes", records) or b"")
