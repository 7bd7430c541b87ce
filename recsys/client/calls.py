"""The calls of the HTTP API without any input or output: what to send, and how to read answers.

``recsys.client.transport`` carries them, once with and once without ``async``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from recsys.client.key import VARIABLE
from recsys.client.schema import (
    ErasureStatus,
    EventResults,
    Item,
    ItemResults,
    ItemStatus,
    ListResults,
    NewFeedback,
    Question,
    Recommended,
    ServerStats,
)
from recsys.errors import ApiError
from recsys.events import Attributes, Context, Decision
from recsys.ids import check_id
from recsys.views import UserView

__all__ = [
    "STATS",
    "Call",
    "decision",
    "erase_user",
    "erasure",
    "put_item",
    "put_items",
    "rank",
    "read_answer",
    "read_ready",
    "recommend",
    "recommend_many",
    "remove_item",
    "send_events",
    "user",
]

_SERVE_ROUTES: Final = b"/-/routes"
_EXCERPT: Final = 200

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and the type of its answer."""

    method: str
    path: str
    kind: type[T]
    body: bytes | None = None


class _Fault(msgspec.Struct, frozen=True):
    pointer: str = ""
    detail: str = ""


class _Problem(msgspec.Struct, frozen=True):
    """The parts of an RFC 9457 document that a message needs."""

    title: str = ""
    detail: str = ""
    errors: tuple[_Fault, ...] = ()


STATS: Final = Call("GET", "/v1/stats", ServerStats)


def recommend(
    user_id: str,
    *,
    n: int,
    context: Context,
    candidates: Sequence[str] | None,
    exclude: Sequence[str],
    arm: str | None,
) -> Call[Recommended]:
    """Ask for a list."""
    question = Question(
        user_id=user_id,
        n=n,
        context=context,
        candidates=candidates,
        exclude_item_ids=exclude,
        arm=arm,
    )
    return Call("POST", "/v1/recommend", Recommended, msgspec.json.encode(question))


def rank(
    user_id: str, candidates: Sequence[str], *, n: int | None, context: Context, arm: str | None
) -> Call[Recommended]:
    """Ask for an order of the candidates."""
    question = Question(user_id=user_id, candidates=candidates, n=n, context=context, arm=arm)
    return Call("POST", "/v1/rank", Recommended, msgspec.json.encode(question))


def recommend_many(questions: Sequence[Question]) -> Call[ListResults]:
    """Ask for the lists of many people."""
    body = msgspec.json.encode({"requests": list(questions)})
    return Call("POST", "/v1/recommend:batch", ListResults, body)


def send_events(events: Sequence[NewFeedback]) -> Call[EventResults]:
    """Deliver feedback."""
    return Call("POST", "/v1/events", EventResults, msgspec.json.encode(list(events)))


def put_item(item_id: str, attributes: Attributes) -> Call[ItemStatus]:
    """Set an item."""
    body = msgspec.json.encode({"attributes": attributes})
    return Call("PUT", _path("items", item_id), ItemStatus, body)


def put_items(items: Sequence[Item]) -> Call[ItemResults]:
    """Set many items."""
    body = msgspec.json.encode({"items": list(items)})
    return Call("POST", "/v1/items:batch", ItemResults, body)


def remove_item(item_id: str) -> Call[ItemStatus]:
    """Take an item out of the catalogue."""
    return Call("DELETE", _path("items", item_id), ItemStatus)


def user(user_id: str) -> Call[UserView]:
    """Ask for a person's own state."""
    return Call("GET", _path("users", user_id), UserView)


def decision(decision_id: str) -> Call[Decision]:
    """Ask for a decision as logged."""
    return Call("GET", _path("decisions", decision_id), Decision)


def erase_user(user_id: str) -> Call[ErasureStatus]:
    """Have a person forgotten."""
    return Call("DELETE", _path("users", user_id), ErasureStatus)


def erasure(receipt: str) -> Call[ErasureStatus]:
    """Ask how far an erasure is."""
    return Call("GET", _path("erasures", receipt), ErasureStatus)


def read_answer(call: Call[T], status: int, headers: Mapping[str, str], body: bytes) -> T:
    """Return the typed answer of a call.

    Raises
    ------
    ApiError
        For every status but 2xx, and when the answer is not what ``docs/http.md`` says.
    """
    if not 200 <= status < 300:
        raise _refusal(status, headers, body)
    try:
        return msgspec.json.decode(body, type=call.kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = f"the answer to {call.method} {call.path} is no {call.kind.__name__}: {error}"
        raise ApiError(status, detail) from error


def read_ready(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether an answer of ``/readyz`` says that every shard answers.

    Raises
    ------
    ApiError
        For an answer that neither ``/readyz`` nor a proxy in front of it gives.
    """
    if status == HTTPStatus.OK:
        return True
    refusal = _refusal(status, headers, body)
    if not refusal.passing:
        raise refusal
    return False


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    ours = headers.get("content-type", "").startswith("application/problem+json")
    # Any server says 404 in words of its own; Ray Serve's tells where its routes are.
    front = not ours and (status != HTTPStatus.NOT_FOUND or _SERVE_ROUTES in body)
    detail = _detail(body)
    if status == HTTPStatus.UNAUTHORIZED and not ours:
        detail += f" (a key for the server is sent by key=, or by {VARIABLE} in the environment)"
    return ApiError(status, detail, _retry_after_s(headers), from_front=front)


def _path(collection: str, name: str) -> str:
    """Return the path of one thing, its id escaped into one segment."""
    check_id(name, "/path")
    # A segment of dots is resolved by whoever normalises paths; an escaped one is not.
    segment = name.replace(".", "%2E") if name in {".", ".."} else quote(name, safe="")
    return f"/v1/{collection}/{segment}"


def _detail(body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body[:_EXCERPT].decode(errors="replace").strip() or "an empty answer"
    detail = problem.detail or problem.title or "no detail"
    # The usual detail repeats its only fault already.
    faults = [f"{f.pointer}: {f.detail}" for f in problem.errors if f.detail not in detail]
    return f"{detail} ({'; '.join(faults)})" if faults else detail


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the header's seconds; a date is not read, for there is no common clock."""
    text = headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
