"""A whole server without Ray, for tests: shards, gateway and a client in one event loop."""

import asyncio
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import httpx2
import uvicorn
from typing_extensions import override

from actors.batcher import Doomed
from actors.gateway import Gateway, build_app
from actors.messages import Method
from actors.ports import LocalPort, ShardPort
from actors.settings import ServerSettings
from actors.shard import Shard
from recsys.engine import Engine
from recsys.errors import StoreError
from recsys.events import Event
from recsys.settings import ArmSettings, EngineSettings, UniformSettings
from recsys.store.base import Append, Store
from recsys.store.memory import MemoryStore

__all__ = [
    "SETTINGS",
    "DeafPort",
    "GatedStore",
    "ScriptedPort",
    "Served",
    "edge",
    "engine_on",
    "live",
    "served",
]

SETTINGS = ServerSettings(
    engine=EngineSettings(
        arms={
            "learner": ArmSettings(share=0.7),
            "random": ArmSettings(share=0.3, ranker="random", policy=UniformSettings()),
        }
    )
)
"""Two shards, two arms."""


class GatedStore(MemoryStore):
    """A store whose appends wait at a gate, and which can be told to fail.

    Attributes
    ----------
    entered
        Set once an append has come to the gate.
    gate
        Appends pass while it is set.
    fault
        Raised by appends that have passed the gate.
    commits
        How many events each append held.
    """

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.fault: Exception | None = None
        self.commits: list[int] = []

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        self.entered.set()
        if not self.gate.wait(timeout=20):
            raise StoreError("the gate stayed closed")
        if self.fault is not None:
            raise self.fault
        self.commits.append(len(events))
        return super().append(events, positions)


def engine_on(store: Store, settings: ServerSettings = SETTINGS) -> Engine:
    """Return an engine over a store of the test's."""
    return Engine(store, settings.engine, secrets.token_bytes(32))


@dataclass
class ScriptedPort(ShardPort):
    """A port that can be told to fail before it carries a call, and remembers all calls.

    Attributes
    ----------
    faults
        By shard and method; raised instead of calling.
    """

    inner: ShardPort
    faults: dict[tuple[int, Method], Exception] = field(default_factory=dict)
    calls: list[tuple[int, Method, bytes]] = field(default_factory=list)

    @property
    @override
    def n_shards(self) -> int:
        return self.inner.n_shards

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        self.calls.append((shard, method, payload))
        fault = self.faults.get((shard, method))
        if fault is not None:
            raise fault
        return await self.inner.call(shard, method, payload, timeout_s)


class DeafPort(ShardPort):
    """Two shards that nobody may call: what is refused at the edge must not reach them."""

    @property
    @override
    def n_shards(self) -> int:
        return 2

    @override
    async def call(self, shard: int, method: Method, payload: bytes, timeout_s: float) -> bytes:
        message = f"shard {shard} was called: {method}"
        raise AssertionError(message)


def edge(settings: ServerSettings = SETTINGS) -> httpx2.AsyncClient:
    """Return a client of a gateway that may only refuse."""
    transport = httpx2.ASGITransport(app=build_app(DeafPort(), settings))
    return httpx2.AsyncClient(transport=transport, base_url="http://recsys")


@dataclass
class Served:
    """A running server."""

    app: Gateway
    client: httpx2.AsyncClient
    shards: list[Shard]
    port: ScriptedPort


@asynccontextmanager
async def shards_of(
    settings: ServerSettings, stores: Sequence[Store] | None = None, doomed: Doomed | None = None
) -> AsyncIterator[list[Shard]]:
    """Run shards, by default some that keep all in memory."""
    shards = [
        Shard(index, settings, engine_on(store, settings), doomed=doomed)
        for index, store in enumerate(
            stores or [MemoryStore() for _ in range(settings.shards.count)]
        )
    ]
    for shard in shards:
        await shard.start()
    try:
        yield shards
    finally:
        for shard in shards:
            await shard.stop()


@asynccontextmanager
async def served(
    settings: ServerSettings = SETTINGS,
    stores: Sequence[Store] | None = None,
    doomed: Doomed | None = None,
) -> AsyncIterator[Served]:
    """Run a server whose client calls the application directly."""
    async with shards_of(settings, stores, doomed) as shards:
        port = ScriptedPort(LocalPort(shards))
        app = build_app(port, settings)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
            yield Served(app, client, shards, port)
        await app.stream.close()


End = Callable[[], object]


async def _serve(
    settings: ServerSettings, listener: socket.socket, started: Callable[[End], None]
) -> None:
    """Run a server on a socket; ``started`` is given what ends it, from any thread."""
    async with shards_of(settings) as shards:
        app = build_app(LocalPort(shards), settings)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        started(lambda: loop.call_soon_threadsafe(ending.set))
        await ending.wait()
        await app.stream.close()
        server.should_exit = True
        await serving


@contextmanager
def live(settings: ServerSettings = SETTINGS) -> Iterator[str]:
    """Run a server over TCP in a thread of its own; gives its address."""
    ends: list[End] = []
    listening = threading.Event()

    def started(end: End) -> None:
        ends.append(end)
        listening.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Connections queue in the socket until the server takes them: no need to wait for it.
        thread = threading.Thread(
            target=lambda: asyncio.run(_serve(settings, listener, started)), name="server"
        )
        thread.start()
        try:
            if not listening.wait(timeout=30):
                raise RuntimeError("the server did not start")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for end in ends:
                end()
            thread.join(timeout=30)
