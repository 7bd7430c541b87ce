import errno
import gzip
import os
import signal
import socket
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from recsys.client.transport import AsyncConnection
from simulators.cli import app
from simulators.report import Summary
from tests.unit.simulators.fake_server import FakeServer, Fault

RATINGS = "user,item,rating,timestamp\n" + "".join(
    f"u{row % 4},i{row % 9},{row % 5 + 1},{10**9 + row}\n" for row in range(60)
)
ITEMS = "item,movie_id,title,genres\n" + "".join(
    f"i{row},{row},Film {row} (199{row}),Crime|Drama\n" for row in range(9)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ratings.csv.gz").write_bytes(gzip.compress(RATINGS.encode()))
    (tmp_path / "items.csv.gz").write_bytes(gzip.compress(ITEMS.encode()))
    return tmp_path


@pytest.fixture
def nowhere() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_run(server: FakeServer, url: str, tmp_path: Path) -> None:
    plot, document = tmp_path / "rates.png", tmp_path / "report.json"
    arguments = f"run --url {url} --users 30 --items 40 --duration 1 --table-every 0.4"
    result = CliRunner().invoke(
        app, [*arguments.split(), "--plot", str(plot), "--json", str(document)]
    )
    assert result.exit_code == 0, result.output
    assert "knows 0 items" in result.output
    assert result.output.count("decisions") >= 2
    assert "an event is learned after: p50 1.5 ms, p99 9.0 ms" in result.output
    summary = msgspec.json.decode(document.read_bytes(), type=Summary)
    assert summary.accepted == len(server.log) > 0
    assert sum(arm.clicks for arm in summary.arms.values()) == len(server.clicks())
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_quiet_is_only_the_summary(url: str, server: FakeServer) -> None:
    arguments = f"run --url {url} --users 5 --items 20 --duration 0.2 --table-every 0.05 --quiet"
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == 0
    assert result.output.count("decisions") == 1


def test_ctrl_c_ends_a_run_with_its_summary(url: str, server: FakeServer) -> None:
    def interrupt(n: int) -> None:
        if n == 20:
            os.kill(os.getpid(), signal.SIGINT)

    server.decided = interrupt
    arguments = f"run --url {url} --users 30 --items 40 --duration 0 --concurrency 4"
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == 0, result.output
    assert "s in all" in result.output
    assert len(server.log) == 2 * len(server.clicks())


@pytest.mark.parametrize("command", ["run", "replay"])
def test_nobody_listens(command: str, nowhere: str, folder: Path) -> None:
    arguments = [command, *([str(folder)] if command == "replay" else []), "--url", nowhere]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"clickstream: no answer from {nowhere}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "replay"])
def test_a_refusal_is_one_line(command: str, url: str, server: FakeServer, folder: Path) -> None:
    server.faults = [Fault("/v1/items", 422)]
    arguments = [command, *([str(folder)] if command == "replay" else []), "--url", url]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr == f"clickstream: {url}: HTTP 422: as ordered\n"


@pytest.mark.parametrize(
    ("command", "option", "name"),
    [
        ("run", "--plot", "no/x.png"),
        ("run", "--plot", "x.xyz"),
        ("run", "--plot", "."),
        ("run", "--json", "no/x.json"),
        ("run", "--json", "."),
        ("replay", "--json", "no/x.json"),
        ("replay", "--json", "."),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    command: str, option: str, name: str, url: str, folder: Path, server: FakeServer
) -> None:
    arguments = [command, *([str(folder)] if command == "replay" else []), "--url", url]
    result = CliRunner().invoke(app, [*arguments, option, str(folder / name)])
    assert result.exit_code == 2
    assert not server.requests


def test_what_could_not_be_written_is_one_line(
    url: str, server: FakeServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    path = folder / "x.json"
    result = CliRunner().invoke(app, ["replay", str(folder), "--url", url, "--json", str(path)])
    assert (result.exit_code, result.stderr) == (
        1,
        f"clickstream: {path}: No space left on device\n",
    )


@pytest.mark.parametrize("command", ["run", "replay"])
def test_a_server_of_another_kind_is_one_line_at_once(
    command: str, url: str, server: FakeServer, folder: Path
) -> None:
    arguments = [command, *([str(folder)] if command == "replay" else []), "--url", f"{url}/nope"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr == f"clickstream: {url}/nope: HTTP 404: Not Found\n"


def test_a_port_that_no_machine_has_is_one_line() -> None:
    result = CliRunner().invoke(app, ["run", "--url", "http://127.0.0.1:99999"])
    assert result.exit_code == 1
    assert result.stderr.startswith("clickstream: no answer from http://127.0.0.1:99999: ")
    assert result.stderr.count("\n") == 1


def test_replay(server: FakeServer, url: str, folder: Path) -> None:
    document = folder / "replay.json"
    arguments = ["replay", str(folder), "--url", url, "--batch", "7", "--json", str(document)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "60 of 60 events sent: 60 accepted, 0 duplicates, 0 failed" in result.output
    assert "has learned 60 events since the start; it was empty before" in result.output
    assert server.items["i3"] == {"genres": ["Crime", "Drama"], "decade": "1990s"}
    assert len(server.clicks()) == 12
    assert sum(event.type == "rating" for event in server.log) == 48
    assert msgspec.json.decode(document.read_bytes())["learned"] == 60

    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0
    assert "0 accepted, 60 duplicates, 0 failed" in again.output
    assert "has learned 0 events since the start\n" in again.output


def test_replay_of_any_csv(server: FakeServer, url: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("who,what,when\nann,x,2024-01-01T00:00:00Z\nann,y,2023-01-01T00:00:00Z\n")
    arguments = ["replay", str(path), "--url", url, "--columns", "user=who,item=what,time=when"]
    result = CliRunner().invoke(app, [*arguments, "--limit", "1"])
    assert result.exit_code == 0, result.output
    assert [(event.item_id, event.type) for event in server.log] == [("y", "click")]


def test_replay_of_nonsense(url: str, tmp_path: Path, server: FakeServer) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\nann,x,soon\n")
    result = CliRunner().invoke(app, ["replay", str(path), "--url", url])
    assert result.exit_code == 1
    assert f"clickstream: {path}, line 2, column 'time': expected epoch seconds" in result.stderr
    result = CliRunner().invoke(app, ["replay", str(path), "--url", url, "--columns", "user=who"])
    assert result.exit_code == 2
    assert not server.requests


def test_replay_that_is_refused_is_not_advised_to_try_again(
    server: FakeServer, url: str, folder: Path
) -> None:
    server.faults = [Fault("/v1/events", 422)]
    result = CliRunner().invoke(app, ["replay", str(folder), "--url", url])
    assert (result.exit_code, result.stderr) == (1, "clickstream: HTTP 422: as ordered\n")


def test_replay_that_breaks_off_can_be_run_again(
    server: FakeServer, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits_s: list[float] = []

    async def note(_: AsyncConnection, wait_s: float) -> None:
        waits_s.append(wait_s)

    monkeypatch.setattr(AsyncConnection, "sleep", note)
    server.unavailable = [{"u1"}] * 20
    result = CliRunner().invoke(app, ["replay", str(folder), "--url", url])
    assert result.exit_code == 1
    assert "does not answer; run the same command again, nothing counts twice" in result.stderr
    assert sum(waits_s) > 5.0, "nobody who replays gives up in a hurry"


def test_replay_with_conflicts_fails(server: FakeServer, url: str, folder: Path) -> None:
    arguments = ["replay", str(folder), "--url", url]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    result = CliRunner().invoke(app, [*arguments, "--click-at", "4"])
    assert result.exit_code == 1
    assert "12 conflicts" in result.stdout
    assert "12 events were sent before with other content (another --click-at?)" in result.stderr
