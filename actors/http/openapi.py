"""The OpenAPI document's parts, made from the structs that the handlers decode and encode.

The handlers take a raw request and return raw bytes, for speed, so FastAPI cannot see their types.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from actors.http.bodies import JSON, MSGPACK, NDJSON
from actors.http.schema import (
    ATTRIBUTE_VALUES,
    CONTEXT_VALUES,
    ID_SCHEMA,
    DeadLettersAnswer,
    ErasureAnswer,
    EventBody,
    EventsAnswer,
    EventsBody,
    ItemBody,
    ItemsAnswer,
    ItemsBody,
    ItemStatus,
    Liveness,
    NamedItem,
    ProblemDocument,
    RankBody,
    Readiness,
    RecommendAnswer,
    RecommendBody,
    RecommendManyAnswer,
    RecommendManyBody,
    StatsAnswer,
)
from recsys.events import Decision
from recsys.views import UserView

__all__ = [
    "EVENTS_BODY",
    "KEYS",
    "OWN_HEADER",
    "SECURITY",
    "TICKS",
    "Part",
    "answer",
    "body",
    "complete",
    "components",
    "parameter",
    "problems",
]

Part = dict[str, object]

_DOCUMENTS: Final[tuple[type[msgspec.Struct], ...]] = (
    DeadLettersAnswer,
    Decision,
    ErasureAnswer,
    EventBody,
    EventsAnswer,
    EventsBody,
    ItemBody,
    ItemStatus,
    ItemsAnswer,
    ItemsBody,
    Liveness,
    ProblemDocument,
    RankBody,
    Readiness,
    RecommendAnswer,
    RecommendBody,
    RecommendManyAnswer,
    RecommendManyBody,
    StatsAnswer,
    UserView,
)
_PROBLEMS: Final[Mapping[int, str]] = {
    400: "unreadable JSON or msgpack",
    401: "no API key, or one that is not known or has expired",
    403: "the API key has not the scope of the call",
    404: "not there",
    405: "the path does not take this method; see Allow",
    408: "the body did not arrive in time",
    413: "the body is too large",
    415: "another content type, charset or coding than is read here",
    422: "a value breaks a limit; the problem says which",
    429: "a queue is full, or the API key has had its share; see Retry-After",
    500: "a fault of ours; its cause is in the log under the request id",
    503: "a shard does not answer; see Retry-After",
}


def _header(description: str, kind: str = "string") -> Part:
    return {"description": description, "required": True, "schema": {"type": kind}}


_REQUEST_ID: Final = _header("the caller's id, if it is a safe one, or else a new one")
_RETRY_AFTER: Final = _header("seconds after which to ask again", "integer")
_HEADERS: Final[Mapping[int, Part]] = {
    401: {"WWW-Authenticate": _header("how to bring a key")},
    207: {"Retry-After": {**_RETRY_AFTER, "required": False}},
    405: {"Allow": _header("the methods that the path takes")},
    429: {"Retry-After": _RETRY_AFTER},
    503: {"Retry-After": _RETRY_AFTER},
}


def components(arms: Collection[str]) -> dict[str, Part]:
    """Return the schema of every document, by name.

    Parameters
    ----------
    arms
        That may be asked for by name; none: they are not told.
    """
    schemas: dict[str, Any]
    _, schemas = msgspec.json.schema_components(
        _DOCUMENTS, ref_template="#/components/schemas/{name}"
    )
    # What the types of the structs cannot say, or would say at the cost of every request.
    for asking in (RecommendBody, RankBody) if arms else ():
        schemas[asking.__name__]["properties"]["arm"]["enum"] = [*sorted(arms), None]
    for kind, field, values in (
        (RecommendBody, "context", CONTEXT_VALUES),
        (RankBody, "context", CONTEXT_VALUES),
        (EventBody, "context", CONTEXT_VALUES),
        (ItemBody, "attributes", ATTRIBUTE_VALUES),
        (NamedItem, "attributes", ATTRIBUTE_VALUES),
    ):
        schemas[kind.__name__]["properties"][field]["additionalProperties"] = {"anyOf": values}
    return schemas


def _reference(kind: type[msgspec.Struct]) -> Part:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def body(kind: type[msgspec.Struct]) -> Part:
    """Return what says that an operation takes ``kind`` as JSON."""
    content = {JSON: {"schema": _reference(kind)}}
    return {"requestBody": {"required": True, "content": content}}


SECURITY: Final = "key"
OWN_HEADER: Final = "own-header"
_KEYS: Final = "an API key, made by `recsys keys new`; each call names the scope it needs"
KEYS: Final[Part] = {
    SECURITY: {"type": "http", "scheme": "bearer", "description": _KEYS},
    OWN_HEADER: {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _KEYS},
}
"""Two ways to bring the same key."""
_LIST: Final[Part] = {"type": "array", "items": _reference(EventBody)}
_EVENTS: Final[Part] = {"anyOf": [_LIST, _reference(EventsBody)]}
EVENTS_BODY: Final[Part] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": _EVENTS},
            NDJSON: {"schema": {"type": "string", "description": "one event per line"}},
            MSGPACK: {"schema": _EVENTS},
        },
    }
}


TICKS: Final[Part] = {
    "description": "server-sent events named tick; their data is a StatsAnswer",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


def parameter(name: str, what: str) -> Part:
    """Return what says that an operation's path holds an id."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": what,
                "schema": ID_SCHEMA,
            }
        ]
    }


def answer(kind: type[msgspec.Struct], description: str) -> Part:
    """Return what says that an operation answers with ``kind``."""
    return {"description": description, "content": {JSON: {"schema": _reference(kind)}}}


def problems(*statuses: int) -> dict[int, Part]:
    """Return what says with which errors an operation answers."""
    content = {"application/problem+json": {"schema": _reference(ProblemDocument)}}
    return {status: {"description": _PROBLEMS[status], "content": content} for status in statuses}


def complete(responses: Mapping[int, Part]) -> dict[int | str, Part]:
    """Return the answers of an operation with those and the headers that all operations have."""
    everywhere = problems(405, 429, 500, 503)
    return {
        status: {**part, "headers": {"X-Request-ID": _REQUEST_ID, **_HEADERS.get(status, {})}}
        for status, part in sorted({**everywhere, **responses}.items())
    }
