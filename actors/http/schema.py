"""The documents that cross HTTP, as msgspec structs; the OpenAPI schemas are made from them.

The limits written here are those of ``recsys.events`` and ``recsys.decision`` as far as a type can
say them; what it cannot say is checked by ``validate`` and ``validate_request``.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from actors.messages import Letter, ShardStats, ShownList
from recsys.events import (
    FEEDBACK_TYPES,
    MAX_ATTRIBUTES,
    MAX_CONTEXT,
    MAX_NUMBER,
    MAX_SLOTS,
    MAX_TS_MS,
    MAX_VALUES,
    MIN_SURVIVAL,
    Attributes,
    Context,
)
from recsys.ids import MAX_ID_BYTES
from recsys.views import ArmStats

__all__ = [
    "ATTRIBUTE_VALUES",
    "CONTEXT_VALUES",
    "EARLIEST_MS",
    "ID_SCHEMA",
    "Check",
    "DeadLettersAnswer",
    "ErasureAnswer",
    "EventBody",
    "EventResult",
    "EventsAnswer",
    "EventsBody",
    "Fault",
    "ItemBody",
    "ItemStatus",
    "ItemsAnswer",
    "ItemsBody",
    "Liveness",
    "NamedItem",
    "ProblemDocument",
    "RankBody",
    "Readiness",
    "RecommendAnswer",
    "RecommendBody",
    "StatsAnswer",
    "UnavailableShard",
]

EARLIEST_MS: Final = 100_000_000_000
"""March 1973. A smaller number is a time in seconds sent by mistake."""
MAX_LIST: Final = 100
"""Slots that ``/v1/recommend`` gives at most; ``/v1/rank`` orders all its candidates."""

ID_SCHEMA: Final[dict[str, object]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_BYTES,
    # Where lines end or control characters stand, as ``recsys.ids.check_id`` has it.
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+$",
    "description": f"1-{MAX_ID_BYTES} bytes of UTF-8 without control characters",
}
CONTEXT_VALUES: Final[list[dict[str, object]]] = [
    ID_SCHEMA,
    {"type": "boolean"},
    {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
]
ATTRIBUTE_VALUES: Final[list[dict[str, object]]] = [
    *CONTEXT_VALUES,
    {"type": "array", "items": ID_SCHEMA, "maxItems": MAX_VALUES},
]

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES, extra_json_schema=ID_SCHEMA)]
Ids = Annotated[tuple[Id, ...], Meta(max_length=MAX_SLOTS)]
BoundContext = Annotated[
    Context,
    Meta(
        max_length=MAX_CONTEXT,
        description="what the application knows about the moment",
        extra_json_schema={"propertyNames": ID_SCHEMA},
    ),
]
BoundAttributes = Annotated[
    Attributes,
    Meta(
        max_length=MAX_ATTRIBUTES,
        extra_json_schema={"propertyNames": ID_SCHEMA},
    ),
]
Timestamp = (
    Annotated[datetime, Meta(tz=True)]
    | Annotated[int, Meta(extra_json_schema={"minimum": EARLIEST_MS, "maximum": MAX_TS_MS})]
)
FeedbackType = Annotated[str, Meta(extra_json_schema={"enum": list(FEEDBACK_TYPES)})]


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """A document from outside."""


class _Answer(msgspec.Struct):
    """A document of ours."""


class RecommendBody(_Body):
    """Asks what to show to a person now."""

    user_id: Id
    n: Annotated[int, Meta(ge=1, le=MAX_LIST, description="items wanted")] = 10
    context: BoundContext = {}
    candidates: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=MAX_SLOTS)] | None = None
    exclude_item_ids: Ids = ()
    arm: Annotated[str | None, Meta(description="serve this arm of the experiment")] = None


class RankBody(_Body):
    """Asks for an order of the candidates."""

    user_id: Id
    candidates: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=MAX_SLOTS)]
    n: Annotated[int, Meta(ge=1, le=MAX_SLOTS, description="all, when absent")] | None = None
    context: BoundContext = {}
    arm: str | None = None


class RecommendAnswer(ShownList):
    """A list, and the id that feedback on it echoes."""

    took_ms: float


class RecommendManyBody(_Body):
    """Asks what to show to several people now; at most ``http.max_batch_lists`` of them."""

    requests: Annotated[tuple[RecommendBody, ...], Meta(min_length=1)]


class RecommendResult(_Answer):
    """What became of one request of a batch."""

    index: int
    status: Literal["ok", "overloaded", "unavailable"]
    answer: RecommendAnswer | None = None
    detail: str | None = None


class RecommendManyAnswer(_Answer):
    """One result per request, in its order."""

    failed: int
    results: tuple[RecommendResult, ...]


class EventBody(_Body, omit_defaults=True):
    """What a person did with an item."""

    type: FeedbackType
    user_id: Id
    item_id: Id
    event_id: Id | None = None
    decision_id: Id | None = None
    value: Annotated[float, Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)] | None = None
    timestamp: Timestamp | None = None
    context: BoundContext = {}
    survival: (
        Annotated[
            float,
            Meta(
                ge=MIN_SURVIVAL,
                le=1.0,
                description="of a sender that leaves out events like this one by lot: with which "
                "probability it was sent, 1 unless given; what it earned counts that much more",
            ),
        ]
        | None
    ) = None


class EventsBody(_Body):
    """A batch of events."""

    events: list[EventBody]


class EventResult(_Answer, omit_defaults=True):
    """What became of one event of the batch."""

    index: int
    event_id: str
    status: Literal["accepted", "duplicate", "conflict", "unavailable", "capped"]
    shard: int | None = None
    sequence: int | None = None
    detail: str | None = None


class EventsAnswer(_Answer):
    """What became of the batch, in its order."""

    accepted: int
    duplicates: int
    failed: int
    results: tuple[EventResult, ...]


class ItemBody(_Body):
    """All attributes of an item, not a patch."""

    attributes: BoundAttributes = {}


class NamedItem(_Body):
    """An item of a batch."""

    item_id: Id
    attributes: BoundAttributes = {}


class ItemsBody(_Body):
    """A batch of items."""

    items: Annotated[tuple[NamedItem, ...], Meta(max_length=MAX_SLOTS)]


class ItemStatus(_Answer):
    """What became of one item."""

    item_id: str
    status: Literal["accepted", "removed"]


class ItemsAnswer(_Answer):
    """What became of the batch, in its order."""

    accepted: int
    items: tuple[ItemStatus, ...]


class ErasureAnswer(_Answer):
    """How far the erasure of a person is; it names nobody.

    Attributes
    ----------
    complete_by_ms
        When it is done at the latest, copies of the files elsewhere left aside.
    done_ms
        When it was done.
    removed_events
        Events of the log that are gone, known when they are.
    removes, keeps
        What goes, and what cannot go.
    """

    receipt: str
    status: Literal["pending", "done"]
    accepted_ms: int
    complete_by_ms: int
    done_ms: int | None
    removed_events: int
    removes: tuple[str, ...]
    keeps: tuple[str, ...]


class DeadLettersAnswer(_Answer):
    """Events that could not be learned, or were taken out of the log, by shard."""

    letters: tuple[Letter, ...]


class UnavailableShard(_Answer):
    """A shard that did not answer."""

    shard: int
    detail: str


class StatsAnswer(_Answer):
    """State of all shards.

    Attributes
    ----------
    ts_ms
        When the shards were asked.
    arms
        Summed over the shards that answered.
    """

    ts_ms: int
    shards: tuple[ShardStats, ...]
    arms: dict[str, ArmStats]
    unavailable: tuple[UnavailableShard, ...]


class Liveness(_Answer):
    """The process is there."""

    status: Literal["live"] = "live"


class Check(_Answer):
    """One condition of readiness."""

    name: str
    ok: bool
    detail: str


class Readiness(_Answer):
    """Whether traffic should come here, and why not."""

    status: Literal["ready", "not ready"]
    checks: tuple[Check, ...]


class Fault(_Answer):
    """One value that is wrong, by its JSON pointer (RFC 6901)."""

    pointer: str
    detail: str


class ProblemDocument(_Answer):
    """An error (RFC 9457). ``instance`` is the request id."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: tuple[Fault, ...] = ()
