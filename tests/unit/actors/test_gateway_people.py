"""Erasing a person over HTTP, and what could not be learned."""

import asyncio
import threading
from pathlib import Path

import httpx2
import pytest

from actors.errors import ShardUnavailable
from actors.gateway import build_app
from actors.messages import LETTERS
from actors.ports import LocalPort
from actors.settings import ServerSettings
from actors.shard import Shard
from recsys.client import AsyncClient, NewFeedback
from recsys.engine import Engine
from recsys.errors import StoreError
from recsys.events import Feedback, Tombstone
from recsys.store.memory import MemoryStore
from recsys.store.records import Erasure
from tests.engines import feedback
from tests.servers import SETTINGS, edge, engine_on, served

ANN = "ann/whose id has a slash, and is long"
QUICK = ServerSettings.model_validate(
    {
        **SETTINGS.model_dump(),
        "shards": {"count": 1},
        "engine": {**SETTINGS.engine.model_dump(), "store": {"snapshot_every_s": 0.05}},
    }
)


async def done(client: AsyncClient, receipt: str) -> int:
    """Wait until an erasure is finished; returns how many events were removed."""
    async with asyncio.timeout(20):
        while True:
            found = await client.erasure(receipt)
            assert found is not None
            assert found.receipt == receipt
            if found.status == "done":
                assert found.done_ms is not None
                assert found.accepted_ms <= found.done_ms <= found.complete_by_ms
                return found.removed_events
            await asyncio.sleep(0.01)


def found_in(folder: Path, *names: str) -> list[str]:
    """Return which names are anywhere in the files."""
    stored = b"".join(path.read_bytes() for path in folder.iterdir())
    return [name for name in names if name.encode() in stored]


async def test_a_person_is_erased(tmp_path: Path) -> None:
    shard = Shard(0, QUICK, Engine.open(tmp_path, QUICK.engine))
    await shard.start()
    transport = httpx2.ASGITransport(app=build_app(LocalPort([shard]), QUICK))
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://recsys") as plain,
        AsyncClient("http://recsys", transport=transport) as client,
    ):
        for name in (ANN, "bob"):
            shown = await client.recommend(name)
            event = {"type": "click", "user_id": name, "item_id": "i1", "event_id": f"{name}-1"}
            event["decision_id"] = shown.decision_id
            assert (await plain.post("/v1/events", json=[event])).status_code == 202
        answer = await plain.delete(f"/v1/users/{ANN}")
        assert answer.status_code == 202
        receipt = answer.json()["receipt"]
        assert await client.user(ANN) is None
        assert await done(client, receipt) == 3
        assert await client.user("bob") is not None
        assert await client.decision(shown.decision_id) is not None
        repeat = [{"type": "click", "user_id": ANN, "item_id": "i1", "event_id": f"{ANN}-1"}]
        assert (await plain.post("/v1/events", json=repeat)).json()["duplicates"] == 1
        assert await client.user(ANN) is None
        again = await client.erase_user(ANN)
        assert again.receipt != receipt
        assert any("quarantine" in kept for kept in again.keeps)
        assert await done(client, again.receipt) == 1
        assert found_in(tmp_path, ANN, "bob") == ["bob"]
    await shard.stop()


async def test_receipts_that_nobody_has() -> None:
    async with served() as server:
        for receipt in ("nonsense", "0-" + "0" * 32, "fffff-" + "0" * 32):
            assert (await server.client.get(f"/v1/erasures/{receipt}")).status_code == 404


async def test_what_names_nobody_is_refused_at_the_edge() -> None:
    async with edge() as client:
        assert (await client.delete("/v1/users/%00")).status_code == 422
        assert (await client.delete("/v1/users/" + "x" * 257)).status_code == 422
        assert (await client.delete("/v1/users/%FF")).status_code == 422


async def test_an_erasure_that_cannot_be_finished_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk: the person has left the state; the rest is done when there is room again."""
    store = MemoryStore()
    full, refused = threading.Event(), threading.Event()
    full.set()
    bury = store.bury

    def refuse(
        sequences: object, cause: object, *, others: object = None, erasures: list[Erasure]
    ) -> None:
        if full.is_set():
            refused.set()
            detail = "the disk is full"
            raise StoreError(detail)
        bury(sequences, cause, others=others, erasures=erasures)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "bury", refuse)
    shard = Shard(0, QUICK, engine_on(store, QUICK))
    await shard.start()
    transport = httpx2.ASGITransport(app=build_app(LocalPort([shard]), QUICK))
    async with AsyncClient("http://recsys", transport=transport) as client:
        receipt = (await client.erase_user(ANN)).receipt
        assert await asyncio.to_thread(refused.wait, 20)
        found = await client.erasure(receipt)
        assert found is not None
        assert (found.status, found.done_ms) == ("pending", None)
        full.clear()
        assert await done(client, receipt) == 1
    assert "erasures wait: the disk is full" in caplog.text
    await shard.stop()


async def test_dead_letters_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.open(None, QUICK.engine)

    def fail(*args: object) -> None:
        message = "no\nluck"
        raise RuntimeError(message)

    monkeypatch.setattr(engine.state.counts, "like", fail)
    shard = Shard(0, QUICK, engine)
    engine.apply([feedback("ann", "i1", 1000)])
    engine.snapshot()
    await shard.start()
    transport = httpx2.ASGITransport(app=build_app(LocalPort([shard]), QUICK))
    async with httpx2.AsyncClient(transport=transport, base_url="http://recsys") as client:
        answer = await client.get("/v1/dead-letters")
        assert answer.json() == {
            "letters": [
                {
                    "shard": 0,
                    "sequence": 1,
                    "kind": "feedback",
                    "event_id": "ann-i1-click-1000-None",
                    "cause": "RuntimeError: no luck",
                    "ts_ms": 1000,
                }
            ]
        }
        stats = (await client.get("/v1/stats")).json()
        assert stats["shards"][0]["engine"]["failed"] == 1
    await shard.stop()


async def test_a_shard_that_is_down_hides_no_dead_letters() -> None:
    async with served() as server:
        assert (await server.client.get("/v1/dead-letters")).json() == {"letters": []}

        server.port.faults[1, LETTERS] = ShardUnavailable(1, "it is down")
        assert (await server.client.get("/v1/dead-letters")).status_code == 503


async def test_a_person_is_erased_while_events_come(tmp_path: Path) -> None:
    """Everybody sends on; what the person sent before the receipt is gone, the rest is there."""
    shard = Shard(0, QUICK, Engine.open(tmp_path, QUICK.engine))
    await shard.start()
    transport = httpx2.ASGITransport(app=build_app(LocalPort([shard]), QUICK))
    acked: dict[str, list[str]] = {ANN: [], "bob": [], "cat": []}
    enough, over = asyncio.Event(), asyncio.Event()

    async with AsyncClient("http://recsys", transport=transport) as client:

        async def sender(name: str) -> None:
            while not over.is_set():
                event_id = f"{len(acked[name])} of {name}"
                click = NewFeedback(type="click", user_id=name, item_id="i1", event_id=event_id)
                assert (await client.send_events([click])).accepted == 1
                acked[name].append(event_id)
                if all(len(ids) >= 20 for ids in acked.values()):
                    enough.set()
                await asyncio.sleep(0.001)

        async with asyncio.TaskGroup() as senders:
            tasks = [senders.create_task(sender(name)) for name in acked]
            await enough.wait()
            receipt = (await client.erase_user(ANN)).receipt
            removed = await done(client, receipt)
            over.set()
        assert all(task.done() for task in tasks)
        view = await client.user(ANN)
    await shard.stop()
    engine = Engine.open(tmp_path, QUICK.engine)
    log = [event for _, event in engine.store.read(after=0)]
    left = [event for event in log if isinstance(event, Feedback)]
    ids = {name: [one.event_id for one in left if one.user_id == name] for name in acked}
    assert ids["bob"] == acked["bob"]
    assert ids["cat"] == acked["cat"]
    # One tombstone is that of the erasure itself.
    assert sum(isinstance(event, Tombstone) for event in log) == removed
    assert ids[ANN] == acked[ANN][removed - 1 :]
    assert removed >= 21
    assert (0 if view is None else view.events) == len(ids[ANN])
    engine.close()
