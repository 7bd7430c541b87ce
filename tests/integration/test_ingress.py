"""The gateway as Ray Serve serves it: Serve's own middleware inside ours."""

import warnings

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.gateway import build_app
from actors.http.ingress import middlewares
from tests.servers import SETTINGS, DeafPort

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Serve's own, of pydantic
    from ray.serve._private.http_util import (
        RequestIdMiddleware,
        convert_object_to_asgi_messages,
        parse_disconnect_disabled_header,
        parse_request_timeout_header,
        parse_session_id_header,
        retry_after_headers,
        validate_http_proxy_callback_return,
    )


def client_of(app: ASGIApp) -> httpx2.AsyncClient:
    """Return a client of an application that is wrapped as Serve wraps its own."""
    app = RequestIdMiddleware(app)
    for middleware in validate_http_proxy_callback_return(middlewares()):
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://recsys")


class Answers:
    """Serve, when it answers by itself.

    Attributes
    ----------
    seen
        The scope of the last request.
    """

    def __init__(self, said: object, status: int, retry_after_s: float | None = None) -> None:
        self._said = said
        self._status = status
        self._headers = retry_after_headers(retry_after_s)
        self.seen: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen = scope
        for message in convert_object_to_asgi_messages(self._said, self._status, self._headers):
            await send(message)


@pytest.mark.parametrize("given", [None, b"", b"a" * 129, b"caf\xe9", b"a\tb", b"trace-7"])
async def test_there_is_one_request_id(given: bytes | None) -> None:
    app = build_app(DeafPort(), SETTINGS, echo_request_id=False)
    async with client_of(app) as client:
        headers = {} if given is None else {b"x-request-id": given}
        answer = await client.get("/nothing", headers=headers)
    (echoed,) = answer.headers.get_list("x-request-id")
    assert answer.json()["instance"] == echoed
    assert (echoed == "trace-7") == (given == b"trace-7")


async def test_the_first_of_two_request_ids_counts() -> None:
    app = build_app(DeafPort(), SETTINGS, echo_request_id=False)
    async with client_of(app) as client:
        headers = [(b"x-request-id", b"one"), (b"X-Request-ID", b"two")]
        answer = await client.get("/nothing", headers=headers)
    assert answer.headers.get_list("x-request-id") == ["one"]
    assert answer.json()["instance"] == "one"


async def test_strangers_give_serve_no_orders() -> None:
    app = Answers({"fine": True}, 200)
    async with client_of(app) as client:
        await client.get(
            "/livez",
            headers=[
                (b"X-Request-Timeout-Seconds", b"0.001"),
                (b"x-request-disconnect-disabled", b"?1"),
                (b"x-session-id", b"caf\xe9"),
                (b"x_session-id", b"caf\xe9"),
                (b"serve_multiplexed_model_id", b"\xff"),
                (b"accept", b"*/*"),
            ],
        )
    seen = dict(app.seen["headers"])
    assert parse_request_timeout_header(seen, None) is None
    assert not parse_disconnect_disabled_header(seen)
    assert parse_session_id_header(seen) == ""
    assert not [name for name in seen if b"serve" in name]
    assert seen[b"accept"] == b"*/*"
    assert seen[b"x-request-id"].decode("ascii")


@pytest.mark.parametrize(
    ("path", "watched"),
    [
        ("/v1/recommend", False),
        ("/v1/recommend:batch", False),
        ("/v1/rank", False),
        ("/v1/events", True),
        ("/v1/recommend/", True),
    ],
)
async def test_serve_need_not_watch_who_waits_for_a_list(path: str, watched: bool) -> None:
    app = Answers({"fine": True}, 200)
    async with client_of(app) as client:
        await client.post(path, headers={"x-request-disconnect-disabled": "?0"})
    assert parse_disconnect_disabled_header(dict(app.seen["headers"])) != watched


@pytest.mark.parametrize(
    ("app", "status", "kind", "retry_after"),
    [
        (Answers("Request dropped due to backpressure", 429, 1.5), 429, "overloaded", "2"),
        (Answers("Request dropped due to backpressure", 429), 429, "overloaded", "1"),
        (Answers("Request r timed out after 0.001s.", 408), 503, "unavailable", "1"),
        (Answers("no replicas", 503), 503, "unavailable", "1"),
        (Answers("Traceback of the inside", 500), 500, "internal", None),
    ],
)
async def test_what_serve_answers_by_itself_becomes_a_problem(
    app: Answers, status: int, kind: str, retry_after: str | None
) -> None:
    async with client_of(app) as client:
        answer = await client.post("/v1/events", headers={"x-request-id": "trace-8"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == retry_after
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["type"] == f"urn:recsys:problem:{kind}"
    assert answer.json()["instance"] == answer.headers["x-request-id"] == "trace-8"
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("path", "status"), [("/-/healthz", 503), ("/v1/stats", 200)])
async def test_other_answers_stay_as_they_are(path: str, status: int) -> None:
    async with client_of(Answers("words", status)) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.text) == (status, "words")


async def test_a_fault_of_serve_is_a_problem_too() -> None:
    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    async with client_of(breaks) as client:
        answer = await client.get("/livez", headers={"x-request-id": "trace-9"})
    assert (answer.status_code, answer.json()["instance"]) == (500, "trace-9")
    assert answer.headers["x-request-id"] == "trace-9"
