"""The routes: method, path, handler, scope, and what the OpenAPI document says of each."""

from typing import Final

from actors.http.events import EventRoutes
from actors.http.items import ItemRoutes
from actors.http.lookups import LookupRoutes
from actors.http.openapi import (
    EVENTS_BODY,
    TICKS,
    answer,
    body,
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
    RecommendManyAnswer,
    RecommendManyBody,
    StatsAnswer,
)
from actors.http.stream import Stream
from actors.http.table import Table
from recsys.events import Decision
from recsys.views import UserView

__all__ = ["add_asking", "add_catalogue", "add_learning", "add_lookups", "add_people", "add_stream"]

_BODY_REFUSALS: Final = problems(400, 408, 413, 415, 422)
"""Answers to a body that is not as it should be."""
_IN_KAFKA: Final = "it is in Kafka, which the shards read"


def add_asking(table: Table, routes: RecommendRoutes) -> None:
    """Add what recommends."""
    responses = {
        200: answer(RecommendAnswer, "the list, best first"),
        **_BODY_REFUSALS,
    }
    for path, handler, summary, taken in (
        ("/v1/recommend", routes.recommend, "Recommend", RecommendBody),
        ("/v1/rank", routes.rank, "Rank candidates", RankBody),
    ):
        table.add(
            f"POST {path}",
            handler,
            summary,
            scope="recommend",
            tag="recommend",
            responses=responses,
            extra=body(taken),
        )
    table.add(
        "POST /v1/recommend:batch",
        routes.recommend_many,
        "Recommend to many",
        scope="recommend",
        tag="recommend",
        responses={
            200: answer(RecommendManyAnswer, "a list for each"),
            207: answer(RecommendManyAnswer, "some failed; see their results"),
            **_BODY_REFUSALS,
        },
        extra=body(RecommendManyBody),
    )


def add_learning(table: Table, routes: EventRoutes) -> None:
    """Add what takes feedback in."""
    table.add(
        "POST /v1/events",
        routes.post,
        "Send feedback",
        scope="events",
        tag="learn",
        responses={
            202: answer(EventsAnswer, "all are durable or were already"),
            207: answer(EventsAnswer, "some failed; see their results"),
            **_BODY_REFUSALS,
        },
        extra=EVENTS_BODY,
    )


def add_catalogue(table: Table, routes: ItemRoutes) -> None:
    """Add what changes the catalogue."""
    item = parameter("item_id", "id of the item; slashes may stand as they are")
    table.add(
        "PUT /v1/items/{item_id:path}",
        routes.put,
        "Set an item",
        scope="catalogue",
        tag="catalogue",
        responses={
            200: answer(ItemStatus, "every shard has it"),
            202: answer(ItemStatus, _IN_KAFKA),
            **_BODY_REFUSALS,
        },
        extra={**item, **body(ItemBody)},
    )
    table.add(
        "DELETE /v1/items/{item_id:path}",
        routes.delete,
        "Remove an item",
        scope="catalogue",
        tag="catalogue",
        responses={
            200: answer(ItemStatus, "no shard has it"),
            202: answer(ItemStatus, _IN_KAFKA),
            **problems(422),
        },
        extra=item,
    )
    table.add(
        "POST /v1/items:batch",
        routes.post_batch,
        "Set many items",
        scope="catalogue",
        tag="catalogue",
        responses={
            200: answer(ItemsAnswer, "every shard has them"),
            202: answer(ItemsAnswer, _IN_KAFKA),
            **_BODY_REFUSALS,
        },
        extra=body(ItemsBody),
    )


def add_lookups(table: Table, routes: LookupRoutes) -> None:
    """Add what shows state and health."""
    table.add(
        "GET /v1/users/{user_id:path}",
        routes.user,
        "A person's state",
        scope="read",
        tag="state",
        responses={200: answer(UserView, "the person's state"), **problems(404, 422)},
        extra=parameter("user_id", "id of the user; slashes may stand as they are"),
    )
    table.add(
        "GET /v1/decisions/{decision_id:path}",
        routes.decision,
        "A decision",
        scope="read",
        tag="state",
        responses={200: answer(Decision, "the decision as logged"), **problems(404, 422)},
        extra=parameter("decision_id", "as /v1/recommend answered it"),
    )
    table.add(
        "GET /v1/stats",
        routes.stats,
        "Statistics",
        scope="read",
        tag="state",
        responses={200: answer(StatsAnswer, "the shards that answered, and which did not")},
    )
    table.add(
        "GET /livez",
        routes.live,
        "Alive",
        scope=None,
        tag="health",
        responses={200: answer(Liveness, "the process is there")},
    )
    table.add(
        "GET /readyz",
        routes.ready,
        "Ready",
        scope=None,
        tag="health",
        responses={
            200: answer(Readiness, "every shard answers"),
            503: answer(Readiness, "some shard does not answer; see Retry-After"),
        },
    )


def add_people(table: Table, routes: PeopleRoutes) -> None:
    """Add what forgets people, and what tells of what could not be learned."""
    table.add(
        "DELETE /v1/users/{user_id:path}",
        routes.erase,
        "Erase a person",
        scope="admin",
        tag="state",
        responses={202: answer(ErasureAnswer, "the erasure has begun"), **problems(422)},
        extra=parameter("user_id", "id of the user; slashes may stand as they are"),
    )
    table.add(
        "GET /v1/erasures/{receipt:path}",
        routes.erasure,
        "How far an erasure is",
        scope="admin",
        tag="state",
        responses={200: answer(ErasureAnswer, "how far it is"), **problems(404, 422)},
        extra=parameter("receipt", "as DELETE /v1/users answered it"),
    )
    table.add(
        "GET /v1/dead-letters",
        routes.dead_letters,
        "Dead letters",
        scope="read",
        tag="state",
        responses={200: answer(DeadLettersAnswer, "of all shards, oldest first within each")},
    )


def add_stream(table: Table, stream: Stream) -> None:
    """Add the server-sent events."""
    table.add(
        "GET /v1/stream",
        stream.get,
        "Statistics, live",
        scope="read",
        tag="state",
        responses={200: TICKS},
        # A stream would be opened, and stay open, for a head alone.
        head=False,
    )
