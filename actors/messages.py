"""What gateway and shard say to each other: msgspec structs in msgpack, whatever carries them.

A call is a method name and a payload; the answer is a payload or one of the errors of
``actors.errors``. Requests and events cross as ``recsys.decision.Request`` and ``recsys.events``.

A list crosses as the JSON that its asker will read, with nothing in it that stays in the shard's
log: taking it apart in the gateway and putting it together again cost both twice as much.
"""

from itertools import count
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

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
    "ShownItem",
    "ShownList",
    "decode",
    "encode",
    "encode_list",
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
"""``Request`` -> ``ShownList`` in JSON; the shard logs the decision itself."""
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


class ShownItem(msgspec.Struct, gc=False):
    """One place of a list; ranks count from 1."""

    item_id: str
    rank: int
    score: float
    propensity: Annotated[
        float, Meta(description="probability of this item here, given those above, in (0, 1]")
    ]


class ShownList(msgspec.Struct):
    """A list as its asker sees it, and the id that feedback on it echoes."""

    decision_id: str
    items: tuple[ShownItem, ...]
    policy: Annotated[str, Meta(description="the arm that served it")]
    model_sequence: int
    fallback: Annotated[bool, Meta(description="the user has liked nothing yet: what is popular")]
    degraded: Annotated[bool, Meta(description="the learner had no answer: the mix in its place")]
    unknown_items: Annotated[
        tuple[str, ...],
        Meta(description="candidates not in the catalogue: ranked if it never had them"),
    ]


class Recommendations(msgspec.Struct, frozen=True):
    """One answer per request, in its order; ``None`` for whoever has left the shard meanwhile.

    Attributes
    ----------
    lists
        Each a ``ShownList`` in JSON.
    """

    lists: tuple[bytes | None, ...]


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
_json_encoder = msgspec.json.Encoder()


def encode(
    value: Request | Batch | Appended | Lookup | Decision | object,
) -> bytes:
    """Return the payload of a struct."""
    return _encoder.encode(value)


def encode_list(recommendation: Recommendation) -> bytes:
    """Return what the asker may see of an answer: the JSON of a ``ShownList``."""
    made = recommendation.made
    return _json_encoder.encode(
        ShownList(
            recommendation.request.decision_id,
            tuple(map(ShownItem, made.items, count(1), made.scores, made.propensities)),
            recommendation.policy,
            recommendation.model_sequence,
            recommendation.fallback,
            made.degraded,
            recommendation.unknown_items,
        )
    )


def decode(payload: bytes, kind: type[T]) -> T:
    """Return the struct of a payload.

    Raises
    ------
    msgspec.DecodeError
        When the payload is not a ``kind``: the two sides run different versions.
    """
    return msgspec.msgpack.decode(payload, type=kind)
