"""The table of routes: method, path, handler, and what the OpenAPI document says of each."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from actors.http.events import EventRoutes
from actors.http.items import ItemRoutes
from actors.http.lookups import LookupRoutes
from actors.http.openapi import (
    EVENTS_BODY,
    TICKS,
    Part,
    answer,
    body,
    complete,
    parameter,
    problems,
)
from actors.http.people import PeopleRoutes
from actors.http.recommend import RecommendRoutes
from actors.http.schema import (
    DeadLettersAnswer,
    ErasureAnswer,
    EventsAnswer,
    ItemBody,
    ItemsAnswer,
    ItemsBody,
    ItemStatus,
    Liveness,
    RankBody,
    Readiness,
    RecommendAnswer,
    RecommendBody,
    StatsAnswer,
)
from actors.http.stream import Stream
from recsys.events import Decision
from recsys.views import UserView

__all__ = ["add_asking", "add_catalogue", "add_learning", "add_lookups", "add_people", "add_stream"]

_BODY_REFUSALS: Final = problems(400, 408, 413, 415, 422)
"""Answers to a body that is not as it should be."""
_IN_KAFKA: Final = "it is in Kafka, which the shards read"


def _add(
    app: FastAPI,
    call: str,
    handler: Callable[[Request], Awaitable[Response]],
    summary: str,
    *,
    tag: str,
    responses: Mapping[int, Part],
    extra: Part | None = None,
    head: bool = True,
) -> None:
    """Add a route whose types are told by hand (``actors.http.openapi``).

    Parameters
    ----------
    head
        Whether HEAD is answered where GET is.
    """
    method, path = call.split()
    app.add_api_route(
        path,
        handler,
        methods=[method],
        status_code=next(iter(responses)),
        response_class=Response,
        summary=summary,
        tags=[tag],
        responses=complete(responses),
        openapi_extra=extra,
    )
    if method == "GET" and head:
        app.add_api_route(path, handler, methods=["HEAD"], include_in_schema=False)


def add_asking(app: FastAPI, routes: RecommendRoutes) -> None:
    """Add what recommends."""
    responses = {
        200: answer(RecommendAnswer, "the list, best first"),
        **_BODY_REFUSALS,
    }
    for path, handler, summary, taken in (
        ("/v1/recommend", routes.recommend, "Recommend", RecommendBody),
        ("/v1/rank", routes.rank, "Rank candidates", RankBody),
    ):
        _add(
            app,
            f"POST {path}",
            handler,
            summary,
            tag="recommend",
            responses=responses,
            extra=body(taken),
        )


def add_learning(app: FastAPI, routes: EventRoutes) -> None:
    """Add what takes feedback in."""
    _add(
        app,
        "POST /v1/events",
        routes.post,
        "Send feedback",
        tag="learn",
        responses={
            202: answer(EventsAnswer, "all are durable or were already"),
            207: answer(EventsAnswer, "some failed; see their results"),
            **_BODY_REFUSALS,
        },
        extra=EVENTS_BODY,
    )


def add_catalogue(app: FastAPI, routes: ItemRoutes) -> None:
    """Add what changes the catalogue."""
    item = parameter("item_id", "id of the item; slashes may stand as they are")
    _add(
        app,
        "PUT /v1/items/{item_id:path}",
        routes.put,
        "Set an item",
        tag="catalogue",
        responses={
            200: answer(ItemStatus, "every shard has it"),
            202: answer(ItemStatus, _IN_KAFKA),
            **_BODY_REFUSALS,
        },
        extra={**item, **body(ItemBody)},
    )
    _add(
        app,
        "DELETE /v1/items/{item_id:path}",
        routes.delete,
        "Remove an item",
        tag="catalogue",
        responses={
            200: answer(ItemStatus, "no shard has it"),
            202: answer(ItemStatus, _IN_KAFKA),
            **problems(422),
        },
        extra=item,
    )
    _add(
        app,
        "POST /v1/items:batch",
        routes.post_batch,
        "Set many items",
        tag="catalogue",
        responses={
            200: answer(ItemsAnswer, "every shard has them"),
            202: answer(ItemsAnswer, _IN_KAFKA),
            **_BODY_REFUSALS,
        },
        extra=body(ItemsBody),
    )


def add_lookups(app: FastAPI, routes: LookupRoutes) -> None:
    """Add what shows state and health."""
    _add(
        app,
        "GET /v1/users/{user_id:path}",
        routes.user,
        "A person's state",
        tag="state",
        responses={200: answer(UserView, "the person's state"), **problems(404, 422)},
        extra=parameter("user_id", "id of the user; slashes may stand as they are"),
    )
    _add(
        app,
        "GET /v1/decisions/{decision_id:path}",
        routes.decision,
        "A decision",
        tag="state",
        responses={200: answer(Decision, "the decision as logged"), **problems(404, 422)},
        extra=parameter("decision_id", "as /v1/recommend answered it"),
    )
    _add(
        app,
        "GET /v1/stats",
        routes.stats,
        "Statistics",
        tag="state",
        responses={200: answer(StatsAnswer, "the shards that answered, and which did not")},
    )
    _add(
        app,
        "GET /livez",
        routes.live,
        "Alive",
        tag="health",
        responses={200: answer(Liveness, "the process is there")},
    )
    _add(
        app,
        "GET /readyz",
        routes.ready,
        "Ready",
        tag="health",
        responses={
            200: answer(Readiness, "every shard answers"),
            503: answer(Readiness, "some shard does not answer; see Retry-After"),
        },
    )


def add_people(app: FastAPI, routes: PeopleRoutes) -> None:
    """Add what forgets people, and what tells of what could not be learned."""
    _add(
        app,
        "DELETE /v1/users/{user_id:path}",
        routes.erase,
        "Erase a person",
        tag="state",
        responses={202: answer(ErasureAnswer, "the erasure has begun"), **problems(422)},
        extra=parameter("user_id", "id of the user; slashes may stand as they are"),
    )
    _add(
        app,
        "GET /v1/erasures/{receipt:path}",
        routes.erasure,
        "How far an erasure is",
        tag="state",
        responses={200: answer(ErasureAnswer, "how far it is"), **problems(404, 422)},
        extra=parameter("receipt", "as DELETE /v1/users answered it"),
    )
    _add(
        app,
        "GET /v1/dead-letters",
        routes.dead_letters,
        "Dead letters",
        tag="state",
        responses={200: answer(DeadLettersAnswer, "of all shards, oldest first within each")},
    )


def add_stream(app: FastAPI, stream: Stream) -> None:
    """Add the server-sent events."""
    _add(
        app,
        "GET /v1/stream",
        stream.get,
        "Statistics, live",
        tag="state",
        responses={200: TICKS},
        # A stream would be opened, and stay open, for a head alone.
        head=False,
    )
