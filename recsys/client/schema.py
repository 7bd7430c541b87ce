"""What crosses HTTP as the client sees it: the documents of ``docs/http.md`` as typed structs.

Fields that a newer server adds are ignored, so that an older client keeps working.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from recsys.errors import InvalidEvent
from recsys.events import Attributes, Context
from recsys.ids import new_id
from recsys.views import ArmStats, Stats

__all__ = [
    "MAX_BATCH",
    "MAX_LISTS",
    "DownShard",
    "ErasureStatus",
    "EventResult",
    "EventResults",
    "Item",
    "ItemResults",
    "ItemStatus",
    "ListResult",
    "ListResults",
    "NewFeedback",
    "Question",
    "Recommended",
    "ServerStats",
    "ShardState",
    "ShownItem",
]


MAX_BATCH: Final = 1000
"""Events or items that one call carries."""
MAX_LISTS: Final = 100
"""Lists that one call asks for."""


class NewFeedback(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person did with an item, on its way to the server.

    Attributes
    ----------
    event_id
        Made here and kept: sending the same object again is a duplicate, not a second act.
    value
        Size of the act in the type's own unit (seconds for ``dwell``, stars for ``rating``).
    timestamp
        Epoch milliseconds or RFC 3339; ``None`` is the moment at which the server receives it.
    survival
        Probability with which you send events like this one, where you leave some out by lot.

    Raises
    ------
    InvalidEvent
        For a value that JSON cannot carry: infinite or not a number.
    """

    type: str
    user_id: str
    item_id: str
    event_id: str = msgspec.field(default_factory=new_id)
    decision_id: str | None = None
    value: float | None = None
    timestamp: int | str | None = None
    context: Context = {}
    survival: float = 1.0

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise InvalidEvent("/value", "a number must be finite")


class Item(msgspec.Struct, frozen=True):
    """An item and all its attributes."""

    item_id: str
    attributes: Attributes


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Asks what to show to somebody now; what is absent takes the server's default."""

    user_id: str
    n: int | None = None
    context: Context = {}
    candidates: Sequence[str] | None = None
    exclude_item_ids: Sequence[str] = ()
    arm: str | None = None


class ShownItem(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a recommended list; ``rank`` counts from 1."""

    item_id: str
    rank: int
    score: float
    propensity: float


class Recommended(msgspec.Struct, frozen=True, kw_only=True):
    """A recommended list.

    Attributes
    ----------
    decision_id
        To be echoed by the feedback about these items.
    policy
        The arm that served it.
    fallback
        Whether the user was unknown, so that popular items were served.
    degraded
        Whether the learner had no answer, so that the mix of the sources took its place.
    """

    decision_id: str
    items: tuple[ShownItem, ...]
    policy: str
    model_sequence: int
    fallback: bool
    degraded: bool = False
    unknown_items: tuple[str, ...] = ()
    took_ms: float = 0.0


class ListResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one question: ok, overloaded or unavailable."""

    index: int
    status: str
    answer: Recommended | None = None
    detail: str | None = None


class ListResults(msgspec.Struct, frozen=True, kw_only=True):
    """What became of many questions, one result each in their order."""

    failed: int
    results: tuple[ListResult, ...]


class EventResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one event: accepted, duplicate, conflict, unavailable or capped."""

    index: int
    event_id: str
    status: str
    shard: int | None = None
    sequence: int | None = None
    detail: str | None = None


class EventResults(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch, one result per event in its order."""

    accepted: int
    duplicates: int
    failed: int
    results: tuple[EventResult, ...]


class ItemStatus(msgspec.Struct, frozen=True):
    """What became of one item: accepted or removed."""

    item_id: str
    status: str


class ItemResults(msgspec.Struct, frozen=True):
    """What became of a batch of items."""

    accepted: int
    items: tuple[ItemStatus, ...]


class ErasureStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far the erasure of a person is.

    Attributes
    ----------
    status
        pending or done.
    complete_by_ms, done_ms
        When it is done at the latest; when it was.
    removes, keeps
        What goes, and what cannot go.
    """

    receipt: str
    status: str
    accepted_ms: int
    complete_by_ms: int
    done_ms: int | None = None
    removed_events: int = 0
    removes: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()


class ShardState(msgspec.Struct, frozen=True, kw_only=True):
    """State of one shard.

    Attributes
    ----------
    freshness_p50_ms, freshness_p99_ms
        From the receipt of an event until the model has learned it; ``None`` before the first.
    queue
        Events waiting for their commit.
    """

    shard: int
    engine: Stats
    events_per_second: float
    freshness_p50_ms: float | None = None
    freshness_p99_ms: float | None = None
    queue: int = 0


class DownShard(msgspec.Struct, frozen=True):
    """A shard that did not answer."""

    shard: int
    detail: str


class ServerStats(msgspec.Struct, frozen=True, kw_only=True):
    """State of all shards that answered, and the arms summed over them."""

    shards: tuple[ShardState, ...]
    arms: dict[str, ArmStats]
    unavailable: tuple[DownShard, ...] = ()
