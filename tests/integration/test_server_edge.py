"""Requests that smuggle others, and clients that are slow on purpose, at the doors of a server."""

import csv
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import httpx2
import pytest

from actors.settings import HttpSettings
from recsys.client import Client
from tests.integration.cluster import Cluster, wait_until
from tests.integration.raw import connect, ended, exchange

HOST: Final = b"Host: a\r\n"
GET: Final = b"GET /livez HTTP/1.1\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
POST: Final = b"POST /v1/events HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
WHOLE: Final = b"a length to which the smuggled request is a part of the body\r\n"
PAGE: Final = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
PAGES: Final = 200
"""13 MB: with less, the kernel would take all that a deaf client does not read, and hide it."""
REPLICA: Final = re.compile(r"^ *server (?!.*fallback)\S+ 127\.0\.0\.1:(\d+) ", re.MULTILINE)


def smuggled(name: str) -> bytes:
    """Return a request that leaves a trace if anybody takes it for one."""
    body = b'{"attributes":{}}'
    head = f"PUT /v1/items/smuggled-{name} HTTP/1.1\r\n".encode() + HOST
    kind = b"Content-Type: application/json\r\n"
    return head + kind + b"Content-Length: %d\r\n\r\n" % len(body) + body


def attempts() -> dict[str, bytes]:
    """Return requests whose ends two readers may see in different places, and worse ones."""
    length = b"Content-Length: %d\r\n"
    heads = {
        "length-and-chunked": WHOLE + CHUNKED,
        "chunked-and-length": CHUNKED + WHOLE,
        "two-lengths": length % 5 + WHOLE,
        "two-lengths-in-one": b"Content-Length: 5, 200\r\n",
        "signed-length": b"Content-Length: +5\r\n",
        "hexadecimal-length": b"Content-Length: 0x5\r\n",
        "space-before-colon": b"Transfer-Encoding : chunked\r\n" + WHOLE,
        "unknown-coding": b"Transfer-Encoding: xchunked\r\n" + WHOLE,
        "two-codings": CHUNKED + b"Transfer-Encoding: identity\r\n",
        "vertical-tab": b"Transfer-Encoding:\x0bchunked\r\n" + WHOLE,
        "folded": b"X-A: b\r\n Transfer-Encoding: chunked\r\n" + WHOLE,
        "nul": b"X-A: b\0c\r\n" + WHOLE,
        "nul-in-name": b"X\0A: b\r\n" + WHOLE,
        "large": b"X-A: " + b"b" * 20_000 + b"\r\n" + WHOLE,
        "many": b"".join(b"X-%d: b\r\n" % n for n in range(200)) + WHOLE,
    }
    found = dict[str, bytes]()
    for name, head in heads.items():
        body = b"0\r\n\r\n" + smuggled(name)
        found[name] = POST + head.replace(WHOLE, length % len(body)) + b"\r\n" + body
    endless = CHUNKED + b"\r\nffffffffffffffff1\r\n"
    return {
        **found,
        "endless-chunk": POST + endless + smuggled("endless-chunk"),
        "bare-line-feeds": GET.replace(b"\r", b"") + b"Host: a\nX-A: b\n\n",
        "line-feed-within": GET + HOST + b"X-A: b\nContent-Length: 0\r\n\r\n",
    }


MAY_BE_ANSWERED: Final = {"bare-line-feeds", "line-feed-within", "folded"}
"""Allowed by RFC 9112 (2.2, 5.2); the lengths tell where such a request ends."""
TOO_MUCH: Final = {"large", "many"}
"""For HAProxy; a gateway, which only HAProxy reaches, has no such bounds."""


def replica_port(cluster: Cluster) -> int:
    """Return where HAProxy reaches the gateway."""
    (path,) = cluster.folder.glob("h/*/haproxy.cfg")
    (port,) = REPLICA.findall(path.read_text())
    return int(port)


@pytest.fixture(params=["haproxy", "gateway"])
def door(request: pytest.FixtureRequest, cluster: Cluster) -> int:
    cluster.wait_until_ready()
    return cluster.settings.http.port if request.param == "haproxy" else replica_port(cluster)


def test_no_request_is_smuggled_in(cluster: Cluster, client: Client, door: int) -> None:
    two = GET + HOST + b"\r\n"
    statuses = exchange(door, {"two": two + two, **attempts()}, seconds=1.5)
    assert statuses.pop("two") == [200, 200], "two requests are told from one"
    at_haproxy = door == cluster.settings.http.port
    lenient = MAY_BE_ANSWERED if at_haproxy else MAY_BE_ANSWERED | TOO_MUCH
    wrong = {
        name: got
        for name, got in statuses.items()
        if len(got) != 1 or (got[0] not in {400, 413, 431, 501} and name not in lenient)
    }
    assert wrong == {}
    items = [f"smuggled-{name}" for name in attempts()]
    ranked = client.rank("edna", items)
    assert sorted(ranked.unknown_items) == sorted(items)


@pytest.fixture
def crowd(cluster: Cluster) -> Iterator[ExitStack]:
    cluster.wait_until_ready()
    with ExitStack() as stack:
        yield stack


def guests(http: HttpSettings) -> int:
    """Return how many clients HAProxy holds a connection with."""
    table = httpx2.get(f"http://127.0.0.1:{http.haproxy_stats_port}/stats;csv").text
    rows = csv.DictReader(table.removeprefix("# ").splitlines())
    (count,) = (
        int(row["scur"])
        for row in rows
        if (row["pxname"], row["svname"]) == ("http_frontend", "FRONTEND")
    )
    return count


def test_slow_idle_and_deaf_clients_hold_nobody_up(
    cluster: Cluster, client: Client, crowd: ExitStack
) -> None:
    http = cluster.settings.http
    port, limit_s = http.port, http.header_timeout_s
    assert client.recommend("edna", n=3).decision_id
    before = guests(http)

    def many(count: int, *arguments: int) -> list[socket.socket]:
        return [crowd.enter_context(connect(port, *arguments)) for _ in range(count)]

    started = time.monotonic()
    idle, slow, deaf = many(300), many(50), many(10, 4096)
    for one in slow:
        one.sendall(GET + HOST + b"X-A: ")
    for one in deaf:
        one.sendall(PAGE * PAGES)
    gone = 0
    longest_s = 0.0

    def a_healthy_client_is_served_until_they_are_gone() -> bool:
        nonlocal gone, longest_s
        asked = time.monotonic()
        assert client.recommend("edna", n=3).decision_id
        longest_s = max(longest_s, time.monotonic() - asked)
        gone = ended(slow)
        for one in slow if not gone else ():
            one.send(b"b")
        return gone == len(slow) and ended(idle) == len(idle)

    wait_until("slow headers are cut off", a_healthy_client_is_served_until_they_are_gone, 20)
    assert limit_s - 0.5 < time.monotonic() - started < limit_s + 6
    assert longest_s < 2
    assert client.recommend("edna", n=3).decision_id, "while nobody reads what was asked for"
    # One that does not read is not told of its end: only HAProxy knows.
    assert guests(http) >= before + len(deaf)
    wait_until("the deaf are cut off", lambda: guests(http) <= before, 20)
    assert http.stall_timeout_s - 0.5 < time.monotonic() - started < http.stall_timeout_s + 6
