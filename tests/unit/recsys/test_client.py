import inspect
import math
import socket
from collections.abc import Iterator
from random import Random

import httpx2
import pytest
from typing_extensions import override

from recsys.client import AsyncClient, Client, Item, NewFeedback, Question, Retry
from recsys.client.calls import STATS, read_answer
from recsys.errors import ApiError, InvalidEvent, Unreachable
from tests.unit.simulators.fake_server import FakeServer, Fault

FRONT = b"Path '/v1/stats' not found. Ping http://.../-/routes for available routes."
AT_ONCE = Retry(attempts=3, first_s=0.0)


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, retry=AT_ONCE) as client:
        yield client


def click(user_id: str = "ann", item_id: str = "i1") -> NewFeedback:
    return NewFeedback(type="click", user_id=user_id, item_id=item_id)


def test_blocking_calls(client: Client, server: FakeServer) -> None:
    assert client.ready()
    assert client.put_item("i1", {"genres": ["crime"], "year": 1999.0}).status == "accepted"
    assert client.put_items([Item("i2", {}), Item("i3", {"new": True})]).accepted == 2
    assert server.items["i1"] == {"genres": ["crime"], "year": 1999.0}
    assert client.remove_item("i3").status == "removed"
    shown = client.recommend("ann", n=5, context={"hour": 3.0}, exclude=["i1"])
    assert [item.item_id for item in shown.items] == ["i2"]
    ranked = client.rank("ann", ["b", "a"], arm="random")
    assert [item.item_id for item in ranked.items] == ["a", "b"]
    assert ranked.policy == "random"
    many = client.recommend_many([Question(user_id="ann"), Question(user_id="bob", arm="random")])
    assert many.failed == 0
    assert [result.status for result in many.results] == ["ok", "ok"]
    assert many.results[1].answer is not None
    assert many.results[1].answer.policy == "random"
    decision = client.decision(shown.decision_id)
    assert decision is not None
    assert decision.slots[0].item_id == "i2"
    assert decision.context == {"hour": 3.0}
    assert client.user("ann") is None
    assert client.send_events([click()]).accepted == 1
    user = client.user("ann")
    assert user is not None
    assert user.events == 1
    assert client.decision("nothing") is None
    assert client.stats().shards[0].engine.feedback == {"click": 1}


async def test_async_calls(server: FakeServer) -> None:
    transport = httpx2.ASGITransport(server)
    async with AsyncClient("http://test", retry=AT_ONCE, transport=transport) as client:
        assert await client.ready()
        await client.put_item("i1", {})
        assert (await client.put_items([Item("i2", {})])).items[0].item_id == "i2"
        assert (await client.remove_item("i1")).item_id == "i1"
        shown = await client.recommend("ann", n=3)
        assert [item.item_id for item in shown.items] == ["i2"]
        assert len((await client.rank("ann", ["b", "a"])).items) == 2
        assert len((await client.recommend_many([Question(user_id="ann")])).results) == 1
        server.unavailable = [{"ann"}]
        server.faults = [Fault("/v1/events", 503)]
        assert (await client.send_events([click()])).accepted == 1
        assert (await client.stats()).shards[0].engine.items == 1
        assert await client.user("ann") is not None
        assert await client.decision(shown.decision_id) is not None
        assert await client.user("nobody") is None
        with pytest.raises(ApiError, match="must not be empty"):
            await client.recommend("")


def test_both_clients_have_the_same_methods() -> None:
    def signatures(kind: type[Client] | type[AsyncClient]) -> dict[str, inspect.Signature]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {name: inspect.signature(m) for name, m in methods if not name.startswith("_")}

    assert signatures(Client) == signatures(AsyncClient)
    assert "send_events" in signatures(Client)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_asks_again_when_the_server_says_so(
    client: Client, server: FakeServer, status: int
) -> None:
    server.faults = [Fault("/v1/recommend", status, {"Retry-After": "0"})]
    client.recommend("ann")
    assert server.requests["/v1/recommend"] == 2


def test_gives_up_with_the_servers_own_words(client: Client, server: FakeServer) -> None:
    server.faults = [Fault("/v1/recommend", 429, {"Retry-After": "0"})] * 5
    with pytest.raises(ApiError, match="HTTP 429: as ordered") as caught:
        client.recommend("ann")
    assert caught.value.retry_after_s == 0.0
    assert server.requests["/v1/recommend"] == AT_ONCE.attempts


@pytest.mark.parametrize(("kind", "again"), [("text/plain", True), ("problem+json", False)])
@pytest.mark.parametrize("status", [404, 500])
def test_what_a_proxy_says_of_itself_may_pass(status: int, kind: str, again: bool) -> None:
    headers = {"content-type": kind if "/" in kind else f"application/{kind}"}
    with pytest.raises(ApiError) as raised:
        read_answer(STATS, status, headers, FRONT)
    assert raised.value.passing is again


def test_does_not_wait_longer_than_it_may(client: Client, server: FakeServer) -> None:
    server.faults = [Fault("/v1/recommend", 503, {"Retry-After": "3600"})]
    with pytest.raises(ApiError):
        client.recommend("ann")
    assert server.requests["/v1/recommend"] == 1


def test_a_refusal_is_final(client: Client, server: FakeServer) -> None:
    with pytest.raises(ApiError) as caught:
        client.recommend("")
    assert caught.value.status == 422
    assert caught.value.detail == ("the request is not valid (/user_id: must not be empty)")
    assert server.requests["/v1/recommend"] == 1


def test_an_event_whose_acknowledgement_was_lost_counts_once(
    client: Client, server: FakeServer
) -> None:
    server.faults = [Fault("/v1/events", 0, late=True)]
    event = click()
    results = client.send_events([event])
    assert server.requests["/v1/events"] == 2
    assert results.duplicates == 1
    assert [known.event_id for known in server.log] == [event.event_id]


def test_only_unavailable_events_are_sent_again(client: Client, server: FakeServer) -> None:
    server.unavailable = [{"bob"}, {"bob"}]
    events = [click("ann"), click("bob"), click("bob", "i2"), click("cid")]
    results = client.send_events(events)
    assert (results.accepted, results.duplicates, results.failed) == (4, 0, 0)
    assert [result.index for result in results.results] == [0, 1, 2, 3]
    assert [result.event_id for result in results.results] == [e.event_id for e in events]
    assert [event.user_id for event in server.log] == ["ann", "cid", "bob", "bob"]


def test_what_stays_unavailable_is_reported(client: Client, server: FakeServer) -> None:
    server.unavailable = [{"bob"}] * 5
    results = client.send_events([click("ann"), click("bob")])
    assert (results.accepted, results.failed) == (1, 1)
    assert results.results[1].status == "unavailable"
    assert server.requests["/v1/events"] == AT_ONCE.attempts


def test_no_events_are_no_request(client: Client, server: FakeServer) -> None:
    assert client.send_events([]).results == ()
    assert not server.requests


@pytest.mark.parametrize("item_id", ["a/b", "..", ".", "a b?c#d%2F", "ärger", "a..b", "../x"])
def test_ids_stay_one_segment(client: Client, server: FakeServer, item_id: str) -> None:
    client.put_item(item_id, {})
    assert list(server.items) == [item_id]


def test_ids_that_cannot_be_sent(client: Client) -> None:
    with pytest.raises(InvalidEvent):
        client.put_item("a\nb", {})
    with pytest.raises(InvalidEvent):
        NewFeedback(type="dwell", user_id="ann", item_id="i1", value=math.nan)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with Client(url, retry=AT_ONCE) as client, pytest.raises(Unreachable, match=url):
            client.ready()


@pytest.mark.parametrize("status", [301, 401, 404, 500])
def test_only_a_server_of_this_kind_says_whether_it_is_ready(
    client: Client, server: FakeServer, status: int
) -> None:
    server.faults = [Fault("/readyz", status)]
    with pytest.raises(ApiError, match=f"HTTP {status}: as ordered"):
        client.ready()
    server.faults = [Fault("/readyz", 503)]
    assert not client.ready()


@pytest.mark.parametrize("status", [404, 500, 502])
def test_behind_a_proxy_that_knows_no_gateway_yet_nothing_is_ready(status: int) -> None:
    page = httpx2.Response(status, headers={"content-type": "text/plain"}, content=FRONT)
    with Client("http://test", transport=Failing(page)) as client:
        assert not client.ready()


def test_a_server_of_another_kind_is_told_at_once() -> None:
    other = Failing(httpx2.Response(404, headers={"content-type": "text/html"}, content=b"nope"))
    with Client("http://test", transport=other) as client:
        for ask in (client.ready, client.stats):
            with pytest.raises(ApiError, match="HTTP 404: nope"):
                ask()
    assert other.requests == 2


class Failing(httpx2.BaseTransport):
    """Every request ends in an error, or in the same answer."""

    def __init__(self, outcome: Exception | httpx2.Response) -> None:
        self.outcome = outcome
        self.requests = 0

    @override
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def subclasses(kind: type[httpx2.RequestError]) -> list[type[httpx2.RequestError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in subclasses(child))]


@pytest.mark.parametrize("kind", subclasses(httpx2.RequestError))
def test_every_error_of_a_request_is_translated(kind: type[httpx2.RequestError]) -> None:
    transport = Failing(kind("it broke"))
    with (
        Client("http://test", retry=AT_ONCE, transport=transport) as client,
        pytest.raises(Unreachable, match="it broke"),
    ):
        client.recommend("ann")
    hopeless = (
        httpx2.UnsupportedProtocol,
        httpx2.LocalProtocolError,
        httpx2.TooManyRedirects,
    )
    assert transport.requests == (1 if issubclass(kind, hopeless) else AT_ONCE.attempts)


def test_an_unusable_address() -> None:
    with Client("127.0.0.1:8000") as client, pytest.raises(Unreachable, match="protocol"):
        client.stats()
    with pytest.raises(Unreachable, match="port"):
        Client("http://test:port")
    for kind in (Client, AsyncClient):
        with pytest.raises(Unreachable, match="a port is at most 65535, got 99999"):
            kind("http://test:99999")


def test_a_proxys_page_is_quoted() -> None:
    page = httpx2.Response(503, content=b"<html>no server is available</html>")
    with (
        Client("http://test", retry=AT_ONCE, transport=Failing(page)) as client,
        pytest.raises(ApiError, match="no server is available"),
    ):
        client.stats()


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"shards": 1}'])
def test_an_answer_of_another_shape(body: bytes) -> None:
    with pytest.raises(ApiError, match="is no ServerStats"):
        read_answer(STATS, 200, {}, body)


def test_results_that_do_not_match_the_batch() -> None:
    content = b'{"accepted": 0, "duplicates": 0, "failed": 0, "results": []}'
    transport = Failing(httpx2.Response(202, content=content))
    with (
        Client("http://test", transport=transport) as client,
        pytest.raises(ApiError, match="1 events were sent, 0 results"),
    ):
        client.send_events([click()])


def test_a_date_to_retry_after_is_not_read() -> None:
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    with pytest.raises(ApiError) as caught:
        read_answer(STATS, 503, headers, b"")
    assert caught.value.retry_after_s is None
    assert caught.value.detail == "an empty answer"


def test_waits_grow_and_differ() -> None:
    retry = Retry(attempts=20, first_s=0.1, longest_s=5.0)
    rng = Random(1)
    for attempt in range(19):
        waits = [retry.wait_s(attempt, None, rng) for _ in range(200)]
        bound = min(5.0, 0.1 * 2**attempt)
        assert all(wait is not None and 0 <= wait <= bound for wait in waits)
        assert max(wait or 0.0 for wait in waits) > 0.9 * bound
        assert len(set(waits)) == 200
    assert retry.wait_s(19, None, rng) is None


def test_waits_as_long_as_asked() -> None:
    retry = Retry(attempts=2, first_s=0.1, longest_s=5.0)
    assert retry.wait_s(0, 2.0, Random(1)) == 2.0
    assert retry.wait_s(0, 5.1, Random(1)) is None
