import logging
import traceback
from http import HTTPStatus

import httpx2
import pytest

from recsys.client import AsyncClient, Client, NewFeedback, Retry
from recsys.client.calls import STATS, read_answer
from recsys.client.key import VARIABLE
from recsys.errors import ApiError, InvalidSettings
from tests.unit.simulators.fake_server import FakeServer, Fault

KEY = "rs_shop_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MDE"
AT_ONCE = Retry(attempts=3, first_s=0.0)
EVENT = NewFeedback(type="click", user_id="ann", item_id="i1")


@pytest.fixture(autouse=True)
def _no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def server(server: FakeServer) -> FakeServer:
    server.key = KEY
    return server


def test_every_call_carries_the_key(url: str) -> None:
    with Client(url, key=KEY, retry=AT_ONCE) as client:
        assert client.ready()
        assert client.put_item("i1", {}).status == "accepted"
        assert client.send_events([EVENT]).accepted == 1
        assert client.recommend("ann").items
        assert client.stats().shards


async def test_every_awaited_call_carries_the_key(server: FakeServer) -> None:
    transport = httpx2.ASGITransport(server)
    async with AsyncClient("http://test", key=KEY, retry=AT_ONCE, transport=transport) as client:
        assert await client.ready()
        assert (await client.put_item("i1", {})).status == "accepted"
        assert (await client.send_events([EVENT])).accepted == 1
        assert (await client.recommend("ann")).items
        assert (await client.stats()).shards


def headers_of(url: str, key: str | None) -> dict[str, str]:
    """Return what a client sends."""
    sent: list[dict[str, str]] = []

    def note(request: httpx2.Request) -> httpx2.Response:
        sent.append(dict(request.headers))
        return httpx2.Response(200, json={"status": "ready"})

    with Client(url, key=key, transport=httpx2.MockTransport(note)) as client:
        client.ready()
    return sent[0]


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {"authorization", "x-api-key"} & set(headers_of("http://test", None))
    monkeypatch.setenv(VARIABLE, "")
    assert not {"authorization", "x-api-key"} & set(headers_of("http://test", None))


def test_the_environments_key_is_sent_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "rs_env_0")
    assert headers_of("http://test", None)["authorization"] == "Bearer rs_env_0"
    assert headers_of("http://test", KEY)["authorization"] == f"Bearer {KEY}"


def test_a_proxys_password_and_the_key_both_arrive() -> None:
    headers = headers_of("http://ann:secret@test", KEY)
    assert headers["authorization"].startswith("Basic ")
    assert headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("\n", "a line break"),
        (" ", "a space"),
        ("\x00", "a control character"),
        ("\x7f", "a control character"),
        ("é", "not ASCII"),
        ("\ud800", "not ASCII"),
    ],
)
@pytest.mark.parametrize("place", ["argument", "environment"])
async def test_a_key_that_no_header_carries_is_refused_and_not_shown(
    place: str, wrong: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfit = f"{KEY}{wrong}"
    if place == "environment":
        # Some of these cannot even be in a real environment; a copy takes all.
        monkeypatch.setattr("os.environ", {VARIABLE: unfit})
    given = unfit if place == "argument" else None
    for kind_of_client in (Client, AsyncClient):
        with pytest.raises(InvalidSettings) as refused:
            kind_of_client("http://test", key=given)
        told = "".join(traceback.format_exception(refused.value))
        assert KEY not in told
        assert f"its character {len(unfit)} of {len(unfit)} is {kind}" in str(refused.value)
        assert ("`key`" if place == "argument" else VARIABLE) in str(refused.value)


def test_an_empty_key_is_no_key() -> None:
    with pytest.raises(InvalidSettings, match="the API key in `key` is empty"):
        Client("http://test", key="")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("call", ["recommend", "events"])
def test_a_refused_key_is_final(url: str, server: FakeServer, status: int, call: str) -> None:
    server.closed = (f"/v1/{call}",)
    key = KEY if status == HTTPStatus.FORBIDDEN else "rs_other_0"
    with Client(url, key=key, retry=AT_ONCE) as client, pytest.raises(ApiError) as refused:
        client.recommend("ann") if call == "recommend" else client.send_events([EVENT])
    assert refused.value.status == status
    assert refused.value.denied
    assert not refused.value.passing
    assert server.requests[f"/v1/{call}"] == 1


async def test_a_refused_key_is_final_for_who_awaits(server: FakeServer) -> None:
    transport = httpx2.ASGITransport(server)
    async with AsyncClient("http://test", retry=AT_ONCE, transport=transport) as client:
        with pytest.raises(ApiError, match="HTTP 401: no such key"):
            await client.send_events([EVENT])
    assert server.requests["/v1/events"] == 1


def test_too_many_at_once_are_sent_again(url: str, server: FakeServer) -> None:
    server.faults = [Fault("/v1/stats", 429, {"Retry-After": "0"})]
    with Client(url, key=KEY, retry=AT_ONCE) as client:
        assert client.stats().shards
    assert server.requests["/v1/stats"] == 2


def test_only_a_proxys_401_is_explained() -> None:
    ours = {"content-type": "application/problem+json"}
    with pytest.raises(ApiError) as refused:
        read_answer(STATS, 401, ours, b'{"detail": "no such key"}')
    assert str(refused.value) == "HTTP 401: no such key"
    with pytest.raises(ApiError) as refused:
        read_answer(STATS, 401, {"content-type": "text/html"}, b"go away")
    assert str(refused.value).startswith("HTTP 401: go away (")
    assert VARIABLE in str(refused.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_key_follows_no_redirect(status: int) -> None:
    asked: list[str] = []

    def redirect(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return httpx2.Response(status, headers={"location": "http://elsewhere/v1/stats"})

    transport = httpx2.MockTransport(redirect)
    with (
        Client("http://test", key=KEY, transport=transport) as client,
        pytest.raises(ApiError, match=f"HTTP {status}"),
    ):
        client.stats()
    async with AsyncClient("http://test", key=KEY, transport=transport) as awaited:
        with pytest.raises(ApiError, match=f"HTTP {status}"):
            await awaited.stats()
    assert asked == ["test", "test"]


def test_neither_logs_nor_descriptions_show_the_key(
    url: str, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), Client(url, key=KEY, retry=AT_ONCE) as client:
        client.stats()
        server.closed = ("/v1/stats",)
        with pytest.raises(ApiError) as refused:
            client.stats()
        described = [repr(client), repr(vars(client)), repr(refused.value), str(refused.value)]
        # What a debugger or a crash reporter would print of the insides.
        connection = vars(client)["_connection"]
        described += [repr(vars(connection)), repr(vars(vars(connection)["_http"]))]
    assert any("/v1/stats" in record.getMessage() for record in caplog.records)
    assert KEY not in "\n".join([caplog.text, *described])
