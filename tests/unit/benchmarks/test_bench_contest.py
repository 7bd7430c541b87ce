"""The contest counts what it says, whoever answers."""

import json
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.host.processes import find
from benchmarks import alternative, contest
from benchmarks.alternative import ALTERNATIVES, Alternative, Kind, environment, running
from benchmarks.contest_clicks import clicks_seen
from recsys.client import Client, Item
from recsys.datasets import Interaction
from tests.servers import live
from tests.warm_servers import PEOPLE, ratings


def test_only_what_can_be_known_is_asked_for(tmp_path: Path) -> None:
    stream = contest.Stream(ratings(tmp_path))
    total = len(stream.learned) + len(stream.asked) + len(stream.live)
    assert total == PEOPLE * 2, "a third of the rows are clicks"
    learned = list[Interaction]()
    known = {row.user for row in stream.learned}

    def ask(row: Interaction) -> Sequence[str]:
        assert row.user in known | {one.user for one in learned}
        assert row not in learned
        return [row.item]

    found, ranked = contest.hits(stream, ask, learned.append)
    assert found == ranked > 0
    assert learned == stream.asked
    assert contest.hits(stream, lambda row: [], learned.append) == (0, ranked)


def test_ours_is_asked_in_process(tmp_path: Path) -> None:
    stream = contest.Stream(ratings(tmp_path))
    found, ranked = contest.our_hits(stream)
    assert 0 <= found <= ranked
    assert ranked == contest.hits(stream, lambda row: [], lambda row: None)[1]


def test_own_clicks_of_any_server() -> None:
    with live() as url:
        with Client(url) as client:
            client.put_items([Item(f"film-{number}", {}) for number in range(30)])
        found = clicks_seen(url, ["ann", "bob"], patient=False)
        assert (found.clicks, found.seen_ms.count, found.unseen) == (2, 2, 0)
        assert clicks_seen(url, ["eve", "dan"], patient=True).unseen == 0


def test_a_server_that_refuses_is_no_figure() -> None:
    with live() as url, pytest.raises(RuntimeError, match="a list was answered by HTTP 422"):
        clicks_seen(url, ["n" * 10_000], patient=False)


def test_what_a_machine_lacks_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lacking = {kind.name: kind.missing for kind in ALTERNATIVES}
    assert [name for name, missing in lacking.items() if missing] == [ALTERNATIVES[-1].name]
    assert "apt install redis-server" in lacking[ALTERNATIVES[-1].name]
    told = contest.told(contest.Contestant(name="x", missing=ALTERNATIVES[-1].missing))
    assert told.startswith("not measured: redis-server is not installed")


def test_an_environment_that_is_none_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(RuntimeError, match="is no virtual environment")
    with refused, environment(tmp_path, print):
        pass


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Kind:
    """Make a package of alternatives of the test's."""
    package = tmp_path / "benchmarks" / "peers"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "mine.py").write_text(body)
    monkeypatch.setattr(alternative, "_ROOT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Kind("mine", "mine")


SERVER = """
import http.server, json, os, pathlib, subprocess, sys
child = subprocess.Popen(["sleep", "600"])
pathlib.Path("pids").write_text(json.dumps([os.getpid(), child.pid]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        found = {"items": [{"item_id": "a"}]} if self.path == "/v1/recommend" else {}
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_an_alternative_ends_with_all_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = stand_in(tmp_path, monkeypatch, SERVER)
    with running(kind, Path(sys.executable), tmp_path) as one:
        assert isinstance(one, Alternative)
        assert one.recommend("ann") == ["a"]
        one.learn([("ann", "a")])
        pids = json.loads((tmp_path / "pids").read_text())
        assert all(find(pid) for pid in pids)
        ends = [os.pidfd_open(pid) for pid in pids]
    # What is killed has ended a moment later.
    assert all(select.select([end], [], [], 30.0)[0] for end in ends)
    for end in ends:
        os.close(end)


def test_an_alternative_that_ends_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = stand_in(tmp_path, monkeypatch, "raise SystemExit('no such model')")
    refused = pytest.raises(RuntimeError, match="an alternative ended:\nno such model")
    with refused, running(kind, Path(sys.executable), tmp_path):
        pass
