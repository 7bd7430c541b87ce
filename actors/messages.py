"""What gateway and shard say to each other: msgspec structs in msgpack, whatever carries them.

A call is a method name and a payload; the answer is a payload or one of the errors of
``actors.errors``. Requests and events cross as ``recsys.decision.Request`` and ``recsys.events``.
"""

from typing import Final, Literal, TypeVar

import msgspec

from actors.kafka.stats import KafkaStats
from recsys.decision import Recommendation, Request
from recsys.events import Decision, Event
from recsys.mixing.port import Position
from recsys.store.base import Append
from recsys.views import Stats

__all__ = [
    "APPEND",
    "DECISION",
    "ERASE",
    "ERASURE",
    "LETTERS",
    "LOG",
    "MIX",
    "RECOMMEND",
    "RECOMMEND_MANY",
    "STATS",
    "USER",
    "Appended",
    "Batch",
    "Erase",
    "Letter",
    "Letters",
    "LogAfter",
    "LogPart",
    "Lookup",
    "Method",
    "Recommendations",
    "Requests",
    "ShardStats",
    "decode",
    "encode",
]

Method = Literal[
    "recommend",
    "recommend_many",
    "append",
    "user",
    "decision",
    "stats",
    "log",
    "erase",
    "erasure",
    "letters",
    "mix",
]
RECOMMEND: Final = "recommend"
"""``Request`` -> ``Recommendation``; the shard logs the decision itself."""
RECOMMEND_MANY: Final = "recommend_many"
"""``Requests`` -> ``Recommendations``; questions of others pass between them."""
APPEND: Final = "append"
"""``Batch`` -> ``Appended``, after the group commit."""
USER: Final = "user"
"""``Lookup`` -> ``recsys.views.UserView`` or nil."""
DECISION: Final = "decision"
"""``Lookup`` -> ``recsys.events.Decision`` or nil."""
STATS: Final = "stats"
"""nil -> ``ShardStats``."""
LOG: Final = "log"
"""``LogAfter`` -> ``LogPart``, of what is durable."""
ERASE: Final = "erase"
"""``Erase`` -> ``recsys.store.records.Erasure``, as it begins, after the group commit."""
ERASURE: Final = "erasure"
"""``Lookup`` of a receipt -> ``recsys.store.records.Erasure`` or nil."""
LETTERS: Final = "letters"
"""nil -> ``Letters``."""
MIX: Final = "mix"
"""See ``actors.mix_calls``."""

T = TypeVar("T")


class Requests(msgspec.Struct, frozen=True):
    """Questions about people of one shard."""

    requests: tuple[Request, ...]


class Recommendations(msgspec.Struct, frozen=True):
    """One answer per request, in its order; ``None`` for whoever has left the shard meanwhile."""

    lists: tuple[Recommendation | None, ...]


class Batch(msgspec.Struct, frozen=True):
    """Events for one shard.

    Attributes
    ----------
    received_ms
        When the gateway received them; the shard measures freshness from here.
    """

    events: tuple[Event, ...]
    received_ms: int


class Appended(msgspec.Struct, frozen=True):
    """One result per event of the batch, in its order."""

    results: tuple[Append, ...]


class Lookup(msgspec.Struct, frozen=True):
    """Asks for one user or decision."""

    id: str


class Erase(msgspec.Struct, frozen=True):
    """Asks for a person to be forgotten.

    Attributes
    ----------
    receipt
        Id of the event that says so.
    received_ms
        As in ``Batch``.
    """

    user_id: str
    receipt: str
    received_ms: int


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter without its event, see ``recsys.store.records.DeadLetter``."""

    shard: int
    sequence: int
    kind: str
    event_id: str
    cause: str
    ts_ms: int


class Letters(msgspec.Struct, frozen=True):
    """The dead letters of a shard, oldest first."""

    letters: tuple[Letter, ...]


class LogAfter(msgspec.Struct, frozen=True):
    """Asks for the events of the log after a sequence, at most so many."""

    sequence: int
    events: int


class LogPart(msgspec.Struct, frozen=True):
    """Events of the log with their sequences, in order; empty at its end."""

    events: tuple[tuple[int, Event], ...]


class ShardStats(msgspec.Struct, frozen=True, kw_only=True):
    """State of one shard.

    Attributes
    ----------
    epoch
        How often this shard has been opened.
    events_per_second
        Events folded per second, over the last ten seconds.
    freshness_p50_ms, freshness_p99_ms
        From the gateway's receipt of an event until the model has learned it, over the last
        thousand events; ``None`` before the first.
    queue
        Events waiting for their commit.
    kafka
        Of a shard that reads from Kafka and writes to it.
    writing
        Whether the last commit was written: if not, nothing is learned, and events are refused.
    disk_free_bytes
        Where the store lies, at the last round of snapshots; ``None`` where nobody can say.
    disk_low
        Whether that was less than ``engine.store.low_disk_bytes``.
    mix
        How far it is with what others have seen; ``None`` while it does not mix.
    """

    shard: int
    epoch: int
    started_ms: int
    partitions: int
    engine: Stats
    events_per_second: float
    freshness_p50_ms: float | None
    freshness_p99_ms: float | None
    queue: int
    kafka: KafkaStats | None = None
    writing: bool = True
    disk_free_bytes: int | None = None
    disk_low: bool = False
    mix: Position | None = None


_encoder = msgspec.msgpack.Encoder()


def encode(
    value: Request | Recommendation | Batch | Appended | Lookup | Decision | object,
) -> bytes:
    """Return the payload of a struct."""
    return _encoder.encode(value)


def decode(payload: bytes, kind: type[T]) -> T:
    """Return the struct of a payload.

    Raises
    ------
    msgspec.DecodeError
        When the payload is not a ``kind``: the two sides run different versions.
    """
    return msgspec.msgpack.decode(payload, type=kind)
