"""The HTTP gateway: one FastAPI application over any ``ShardPort``.

Gateways hold no state and any number may run; what they need to know is the settings. The API is
``docs/http.md``; its parts are in ``actors.http``.
"""

import importlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from actors.auth.guard import Guard
from actors.auth.key_file import keys_path
from actors.auth.ring import KeyRing
from actors.errors import RuntimeFault
from actors.http.bypass import Bypass
from actors.http.envelope import Envelope
from actors.http.events import EventRoutes
from actors.http.items import ItemRoutes
from actors.http.lookups import LookupRoutes
from actors.http.methods import add_options
from actors.http.openapi import KEYS, components
from actors.http.pages import add_pages
from actors.http.paths import match_whole_paths
from actors.http.people import PeopleRoutes
from actors.http.problems import Problem, answer_error
from actors.http.recommend import RecommendRoutes
from actors.http.routes import (
    add_asking,
    add_catalogue,
    add_learning,
    add_lookups,
    add_people,
    add_stream,
)
from actors.http.shards import Shards
from actors.http.shortcut import Shortcut
from actors.http.stream import Stream
from actors.http.table import Table
from actors.http.whereabouts import FetchMap, Whereabouts
from actors.ports import ShardPort
from actors.settings import ServerSettings
from actors.shard_map import ShardMap
from recsys.errors import InvalidEvent

__all__ = ["Gateway", "build_app"]


class Gateway(FastAPI):
    """The application.

    Attributes
    ----------
    stream
        Its server-sent events. A server that waits for open requests before it ends the lifespan
        should call ``stream.close()`` first.
    guard
        Asks callers for their keys; ``None`` where everybody may call.
    arms
        That callers may ask for by name.
    shortcut
        Answers what is called all the time.
    """

    stream: Stream
    guard: Guard | None
    arms: Collection[str]
    shortcut: Shortcut
    _short: ASGIApp

    def shorten(self, shortcut: Shortcut, around: ASGIApp) -> None:
        """Take a shorter way for some calls.

        Parameters
        ----------
        around
            The shortcut with what surrounds every answer.
        """
        self.shortcut = shortcut
        self._short = around

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._short if self.shortcut.takes(scope) else super().__call__
        await app(scope, receive, send)

    @override
    def openapi(self) -> dict[str, object]:
        """Return the OpenAPI document, with the schemas of our own documents."""
        if not self.openapi_schema:
            document = super().openapi()
            parts = document.setdefault("components", {})
            parts.setdefault("schemas", {}).update(
                components(self.arms if self.guard is None else ())
            )
            if self.guard is not None:
                parts["securitySchemes"] = KEYS
        return super().openapi()


def build_app(
    port: ShardPort,
    settings: ServerSettings,
    shard_map: ShardMap | None = None,
    *,
    fetch: FetchMap | None = None,
    echo_request_id: bool = True,
    bypass: Bypass | None = None,
) -> Gateway:
    """Build the application; it calls nothing before the first request.

    Parameters
    ----------
    port
        Reaches the shards; stays the caller's to close.
    shard_map
        Who owns which users; as in a new data directory if none is given.
    fetch
        Asks who owns which users now, where partitions move.
    echo_request_id
        Whether to answer with ``X-Request-ID``; Ray Serve does it by itself.
    bypass
        To lead to the application until it ends.
    """
    first = shard_map or ShardMap.dealt_out(port.n_shards, settings.shards.partitions)
    shards = _shards(port, settings, Whereabouts(first, fetch))
    stream = Stream(shards)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if bypass is not None:
            await bypass.close(settings.http.shard_timeout_s)
        await stream.close()
        await shards.close()

    app = Gateway(
        title="recsys",
        version=_version(),
        description="Recommends items, learns from every click, logs every propensity.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.stream = stream
    app.guard = guard = _guard(settings)
    app.arms = settings.engine.arms
    app.add_middleware(Envelope, echo_request_id=echo_request_id)
    for kind in (Problem, InvalidEvent, RuntimeFault, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, answer_error)
    add_options(app)
    table = Table(app, guard)
    add_asking(table, RecommendRoutes(shards, settings, guard))
    add_learning(table, EventRoutes(shards, settings, guard))
    add_catalogue(table, ItemRoutes(shards, settings))
    add_lookups(table, LookupRoutes(shards, discreet=guard is not None))
    add_people(table, PeopleRoutes(shards, settings))
    add_stream(table, stream)
    add_pages(app)
    match_whole_paths(app)
    shortcut = Shortcut(table.shortcuts)
    app.shorten(shortcut, Envelope(shortcut, echo_request_id=echo_request_id))
    if bypass is not None:
        bypass.lead_to(shortcut, settings.http)
    return app


def _guard(settings: ServerSettings) -> Guard | None:
    http = settings.http
    if not http.asks_for_keys:
        return None
    ring = KeyRing(keys_path(http.auth.keys, settings.shards.data_dir))
    return Guard(ring, http.auth, gateways=http.replicas)


def _shards(port: ShardPort, settings: ServerSettings, whereabouts: Whereabouts) -> Shards:
    """Return the shards, with Kafka before them where it is the log."""
    if not settings.kafka.gateway_log:
        return Shards(port, settings, whereabouts)
    # Not at the top: Kafka's client costs memory and time that others need not spend.
    kind: type[Shards] = importlib.import_module("actors.kafka.gateway").LogShards
    return kind(port, settings, whereabouts)


def _version() -> str:
    try:
        return version("recsys")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0"
