"""A server that keeps the contract of ``docs/http.md`` and learns nothing, for tests."""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

ARMS = ("learner", "random")


class Event(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    user_id: str
    item_id: str
    event_id: str
    decision_id: str | None = None
    value: float | None = None
    timestamp: int | str | None = None
    context: dict[str, str | bool | float] = {}


class Question(msgspec.Struct, forbid_unknown_fields=True):
    user_id: str
    n: int | None = None
    context: dict[str, str | bool | float] = {}
    candidates: list[str] | None = None
    exclude_item_ids: list[str] = []
    arm: str | None = None


class Fault(msgspec.Struct):
    """The next request whose path starts with ``path`` is answered so and does nothing.

    A status of 0 drops the connection; with ``late`` the work is done all the same.
    """

    path: str
    status: int
    headers: dict[str, str] = {}
    late: bool = False
    detail: str = "as ordered"


class FakeServer:
    """Its state is public: tests look at it.

    ``decided`` is told the number of decisions; ``stale`` has the events that came after another
    decision for the same person. ``key`` is asked for, when there is one, and opens no path that
    starts with one of ``closed``; of the people in ``capped`` it brings no events.
    """

    def __init__(self) -> None:
        self.items: dict[str, dict[str, object]] = {}
        self.log: list[Event] = []
        self.seen: dict[str, Event] = {}
        self.decisions: dict[str, dict[str, object]] = {}
        self.latest: dict[str, str] = {}
        self.stale: list[Event] = []
        self.faults: list[Fault] = []
        self.unavailable: list[set[str]] = []
        self.requests: Counter[str] = Counter()
        self.not_ready = 0
        self.key = ""
        self.closed: tuple[str, ...] = ()
        self.capped: set[str] = set()
        self.decided: Callable[[int], object] = lambda _: None
        self._rng = random.Random(1)
        self.app = Starlette(
            routes=[
                Route("/readyz", self._ready),
                Route("/v1/recommend", self._recommend, methods=["POST"]),
                Route("/v1/recommend:batch", self._recommend_many, methods=["POST"]),
                Route("/v1/rank", self._rank, methods=["POST"]),
                Route("/v1/events", self._events, methods=["POST"]),
                Route("/v1/items:batch", self._items, methods=["POST"]),
                Route("/v1/items/{item_id:path}", self._put, methods=["PUT"]),
                Route("/v1/items/{item_id:path}", self._delete, methods=["DELETE"]),
                Route("/v1/users/{user_id:path}", self._user),
                Route("/v1/decisions/{decision_id:path}", self._decision),
                Route("/v1/stats", self._stats),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # A real server lets others go first: without this, one caller would run to its end.
        await asyncio.sleep(0)
        path = scope["path"]
        self.requests[path] += 1
        refusal = self._refusal(path, Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        fault = next((fault for fault in self.faults if path.startswith(fault.path)), None)
        if fault is None:
            await self.app(scope, receive, send)
            return
        self.faults.remove(fault)
        if fault.late:
            await self.app(scope, receive, _nowhere)
        if fault.status == 0:
            # A head without its body: the connection closes in the middle of the answer.
            headers = [(b"content-length", b"10")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            return
        await problem(fault.status, fault.detail, fault.headers)(scope, receive, send)

    def _refusal(self, path: str, headers: Headers) -> Response | None:
        if not self.key or path == "/readyz":
            return None
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if self.key not in {key if scheme == "Bearer" else "", headers.get("x-api-key")}:
            bearer = {"WWW-Authenticate": 'Bearer realm="recsys"'}
            return problem(401, "no such key", bearer)
        return problem(403, "not with this key") if path.startswith(self.closed or " ") else None

    def clicks(self) -> list[Event]:
        return [event for event in self.log if event.type == "click"]

    async def _ready(self, _: Request) -> Response:
        self.not_ready = max(0, self.not_ready - 1)
        return answer({"status": "ready"}, 503 if self.not_ready else 200)

    async def _recommend(self, request: Request) -> Response:
        question = msgspec.json.decode(await request.body(), type=Question)
        pool = sorted(set(question.candidates or self.items) - set(question.exclude_item_ids))
        return self._decide(question, self._rng.sample(pool, min(question.n or 10, len(pool))))

    async def _recommend_many(self, request: Request) -> Response:
        results = list[object]()
        for index, question in enumerate(json.loads(await request.body())["requests"]):
            body = json.dumps(question).encode()
            made = await self._recommend(Request(request.scope, _saying(body)))
            results.append({"index": index, "status": "ok", "answer": json.loads(bytes(made.body))})
        return answer({"failed": 0, "results": results})

    async def _rank(self, request: Request) -> Response:
        question = msgspec.json.decode(await request.body(), type=Question)
        return self._decide(question, sorted(question.candidates or [])[: question.n])

    def _decide(self, question: Question, item_ids: list[str]) -> Response:
        if not question.user_id:
            errors = [{"pointer": "/user_id", "detail": "must not be empty"}]
            return problem(422, "the request is not valid", errors=errors)
        decision_id = f"d{len(self.decisions)}"
        policy = question.arm or ARMS[len(question.user_id + question.user_id[-1]) % len(ARMS)]
        slots = [[item_id, 0.5, 1.0, ""] for item_id in item_ids]
        self.decisions[decision_id] = {
            "kind": "decision", "event_id": decision_id, "user_id": question.user_id,
            "ts_ms": 1, "slots": slots, "policy": policy, "context": question.context,
        }  # fmt: skip
        self.latest[question.user_id] = decision_id
        self.decided(len(self.decisions))
        shown = [
            {"item_id": item_id, "rank": rank, "score": 1.0, "propensity": 0.5}
            for rank, item_id in enumerate(item_ids, start=1)
        ]
        return answer(
            {
                "decision_id": decision_id, "items": shown, "policy": policy, "model_sequence": 0,
                "fallback": True, "unknown_items": [], "took_ms": 0.1,
            }
        )  # fmt: skip

    async def _events(self, request: Request) -> Response:
        events = msgspec.json.decode(await request.body(), type=list[Event])
        down = self.unavailable.pop(0) if self.unavailable else set()
        results = []
        for index, event in enumerate(events):
            if event.user_id in self.capped:
                status = "capped"
            else:
                status = "unavailable" if event.user_id in down else self._learn(event)
            results.append({"index": index, "event_id": event.event_id, "status": status})
        count = Counter(str(result["status"]) for result in results)
        failed = count["conflict"] + count["unavailable"] + count["capped"]
        document = {
            "accepted": count["accepted"], "duplicates": count["duplicate"], "failed": failed,
            "results": results,
        }  # fmt: skip
        return answer(document, 207 if failed else 202)

    def _learn(self, event: Event) -> str:
        if event.decision_id is not None and event.decision_id != self.latest[event.user_id]:
            self.stale.append(event)
        known = self.seen.setdefault(event.event_id, event)
        if known is event:
            self.log.append(event)
            return "accepted"
        return "duplicate" if known == event else "conflict"

    async def _items(self, request: Request) -> Response:
        document = msgspec.json.decode(await request.body())
        for item in document["items"]:
            self.items[item["item_id"]] = item["attributes"]
        statuses = [{"item_id": i["item_id"], "status": "accepted"} for i in document["items"]]
        return answer({"accepted": len(statuses), "items": statuses})

    async def _put(self, request: Request) -> Response:
        item_id = _last_segment(request)
        self.items[item_id] = msgspec.json.decode(await request.body())["attributes"]
        return answer({"item_id": item_id, "status": "accepted"})

    async def _delete(self, request: Request) -> Response:
        item_id = _last_segment(request)
        self.items.pop(item_id, None)
        return answer({"item_id": item_id, "status": "removed"})

    async def _user(self, request: Request) -> Response:
        user_id = _last_segment(request)
        events = [event for event in self.log if event.user_id == user_id]
        if not events:
            return problem(404, "this user is not known")
        return answer(
            {
                "user_id": user_id, "arm": "learner", "events": len(events), "shown": 0,
                "clicks": len(events), "last_seen_ms": 1, "recent": [], "tastes": [],
            }
        )  # fmt: skip

    async def _decision(self, request: Request) -> Response:
        found = self.decisions.get(_last_segment(request))
        return problem(404, "no such decision") if found is None else answer(found)

    async def _stats(self, _: Request) -> Response:
        engine = {
            "sequence": len(self.log), "snapshot_sequence": 0, "items": len(self.items),
            "users_in_memory": 0, "feedback": dict(Counter(event.type for event in self.log)),
            "arms": {}, "examples": 0, "replayed": 0, "replay_size": 0, "pending": 0, "loss": 0.0,
            "evicted": {}, "failed": 0,
        }  # fmt: skip
        shard = {
            "shard": 0, "epoch": 1, "started_ms": 1, "partitions": 64, "engine": engine,
            "events_per_second": 1.0, "freshness_p50_ms": 1.5, "freshness_p99_ms": 9.0, "queue": 0,
        }  # fmt: skip
        return answer({"ts_ms": 1, "shards": [shard], "arms": {}, "unavailable": []})


class Stage:
    """Passes requests to whatever server is on it: starting a listener takes a while."""

    def __init__(self) -> None:
        self.server = FakeServer()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.server(scope, receive, send)


def answer(document: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, media_type="application/json")


def problem(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> Response:
    document = {"type": "about:blank", "title": "no", "status": status, "detail": detail}
    body = msgspec.json.encode({**document, "errors": errors or []})
    return Response(body, status, headers, media_type="application/problem+json")


@contextmanager
def listening(stage: Stage) -> Iterator[str]:
    """Serve on a free port of the loopback interface, in a thread; yield the URL."""
    config = uvicorn.Config(
        stage, host="127.0.0.1", port=0, log_level="critical", lifespan="off", ws="none"
    )
    runner = uvicorn.Server(config)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        while not runner.started:
            thread.join(0.005)
        port = runner.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        runner.should_exit = True
        thread.join()


def _last_segment(request: Request) -> str:
    return unquote(request.scope["raw_path"].rsplit(b"/", 1)[-1].decode())


async def _nowhere(_: object) -> None:
    """Lose an answer."""


def _saying(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
