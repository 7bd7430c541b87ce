"""The HTTP client: ``Client`` blocks, ``AsyncClient`` awaits; both make the same calls.

::

    with Client("http://127.0.0.1:8000") as client:
        shown = client.recommend("ann", n=5)
        click = NewFeedback(
            type="click",
            user_id="ann",
            item_id=shown.items[0].item_id,
            decision_id=shown.decision_id,
        )
        client.send_events([click])

Broken connections, empty replies, 429 and 503 (from a proxy also 502 and 504) are retried with
growing, jittered waits (``Retry``). Events carry their ids, so that a retry is a duplicate and not
a second click. A retried ``recommend`` may leave a decision in the log that nobody saw.

A server that asks for keys gets ``Client(url, key="rs_...")``, or the environment variable
``RECSYS_API_KEY``. Without the right key every call is refused at once (``ApiError.denied``).

Every call raises ``ApiError`` when the server refuses, with its problem document's detail;
``Unreachable`` when no answer came after all attempts; and ``InvalidEvent`` when an id or a value
cannot be sent at all.
"""

from recsys.client.aio import AsyncClient
from recsys.client.blocking import Client
from recsys.client.retry import Retry
from recsys.client.schema import (
    MAX_BATCH,
    MAX_LISTS,
    DownShard,
    ErasureStatus,
    EventResult,
    EventResults,
    Item,
    ItemResults,
    ItemStatus,
    ListResult,
    ListResults,
    NewFeedback,
    Question,
    Recommended,
    ServerStats,
    ShardState,
    ShownItem,
)

__all__ = [
    "MAX_BATCH",
    "MAX_LISTS",
    "AsyncClient",
    "Client",
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
    "Retry",
    "ServerStats",
    "ShardState",
    "ShownItem",
]
