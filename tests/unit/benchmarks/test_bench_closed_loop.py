"""A closed loop by wrk, and without it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.closed_loop import loader, own
from benchmarks.connection import Address, Connection, do, request_of
from benchmarks.warm import question
from recsys.client import Client, Item, NewFeedback
from recsys.client.calls import STATS, Call, recommend, send_events
from recsys.errors import ApiError, Unreachable
from tests.servers import live

BODIES = [question("ann"), question("bob")]
TOLD = (
    '{"requests":90,"seconds":2.0,"p50_ms":1.5,"p99_ms":9.0,"max_ms":11.0,'
    '"refused":10,"unreached":0,"broken":1,"late":0}'
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with live() as url:
        with Client(url) as client:
            client.put_items([Item(f"film-{number}", {}) for number in range(30)])
        yield url


def wrk(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a wrk of the test's first on the path."""
    program = folder / "wrk"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_our_own_clients_are_answered(address: str) -> None:
    found = own(address, "/v1/recommend", BODIES, clients=2, seconds=0.3)
    assert (found.clients, found.errors) == (2, {})
    assert 0.0 < found.p50_ms <= found.p99_ms <= found.max_ms
    assert found.rps > 1.0
    assert 0.0 < found.cpu_share < 1.1


def test_nobody_there_is_said() -> None:
    with pytest.raises(RuntimeError, match="ConnectionRefusedError"):
        own("http://127.0.0.1:1", "/v1/recommend", BODIES, clients=1, seconds=0.1)
    with pytest.raises(RuntimeError, match="none of 1 clients was answered"), live() as url:
        own(url, "/nowhere", BODIES, clients=1, seconds=0.1)


def test_without_wrk_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    load, tool = loader(tmp_path)
    assert load is own
    assert tool.endswith("wrk is not installed (Debian: apt install wrk)")


def test_wrk_is_given_the_bodies_and_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrk(tmp_path, f"echo $@ > {tmp_path}/said; echo Running; echo '{TOLD}'", monkeypatch)
    load, tool = loader(tmp_path)
    found = load("http://127.0.0.1:5", "/v1/recommend", BODIES, clients=64, seconds=2.0)
    assert tool == "wrk"
    assert (found.clients, found.rps, found.p50_ms) == (64, 40.0, 1.5)
    assert found.errors == {"refused": 10, "broken": 1}
    said = (tmp_path / "said").read_text().split()
    assert said[:3] == ["-t1", "-c64", "-d2s"]
    assert said[-3:-1] == ["/v1/recommend", str(tmp_path / "bodies")]
    assert (tmp_path / "bodies").read_bytes().splitlines() == BODIES


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo unable to connect >&2; exit 1", "wrk failed: unable to connect"),
        (f"echo '{TOLD.replace('90', '0')}'", "answered none of 1 clients"),
    ],
)
def test_a_wrk_that_fails_is_no_figure(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrk(tmp_path, script, monkeypatch)
    load, _ = loader(tmp_path)
    with pytest.raises(RuntimeError, match=message):
        load("http://127.0.0.1:5", "/", BODIES, clients=1, seconds=1.0)


async def test_a_connection_carries_one_call_after_the_other(address: str) -> None:
    line = await Connection.to(Address.of(address))
    ask = recommend("ann", n=5, context={}, candidates=None, exclude=(), arm=None)
    shown = await do(line, address, ask)
    assert len(shown.items) == 5
    click = NewFeedback(type="click", user_id="ann", item_id=shown.items[0].item_id)
    assert (await do(line, address, send_events([click]))).accepted == 1
    assert (await do(line, address, send_events([click]))).duplicates == 1
    learned = [shard.engine.feedback for shard in (await do(line, address, STATS)).shards]
    assert sorted(learned, key=len) == [{}, {"click": 1}]
    line.close()


async def test_a_refusal_is_an_error_and_the_connection_goes_on(address: str) -> None:
    line = await Connection.to(Address.of(address))
    with pytest.raises(ApiError) as refused:
        await do(line, address, Call("POST", "/v1/recommend", dict, b"{}"))
    assert refused.value.status == 422
    assert await do(line, address, STATS)
    line.close()


async def test_a_connection_is_not_for_two_requests_at_a_time(address: str) -> None:
    line = await Connection.to(Address.of(address))
    request = request_of(address, STATS)
    line.send(request)
    with pytest.raises(RuntimeError, match="one request at a time"):
        line.send(request)
    line.close()


async def test_what_breaks_is_unreachable() -> None:
    with live() as url:
        line = await Connection.to(Address.of(url))
    with pytest.raises((Unreachable, RuntimeError)):
        await do(line, url, STATS)
