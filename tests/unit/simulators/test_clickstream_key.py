import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recsys.client.key import VARIABLE
from simulators.cli import app
from tests.unit.simulators.fake_server import FakeServer

KEY = "rs_simulator_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U"
RATINGS = "user,item,rating,timestamp\n" + "".join(
    f"u{row % 4},i{row % 9},{row % 5 + 1},{10**9 + row}\n" for row in range(60)
)
CURE = f"; --key-file or {VARIABLE} brings a key\n"


@pytest.fixture(autouse=True)
def _key_is_asked_for(monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    server.key = KEY


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_text(RATINGS)
    return path


def arguments(command: str, url: str, ratings: Path) -> list[str]:
    if command == "replay":
        return ["replay", str(ratings), "--url", url, "--batch", "7"]
    return f"run --url {url} --users 20 --items 40 --duration 0.5 --table-every 0".split()


@pytest.mark.parametrize("command", ["run", "replay"])
@pytest.mark.parametrize("place", ["file", "environment"])
def test_the_key_comes_from_a_file_or_the_environment(
    command: str, place: str, url: str, server: FakeServer, ratings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    called = arguments(command, url, ratings)
    if place == "environment":
        monkeypatch.setenv(VARIABLE, KEY)
    else:
        monkeypatch.setenv(VARIABLE, "rs_other_0")
        path = ratings.with_name("key")
        path.write_text(f"{KEY}\r\nmade in May\n")
        called += ["--key-file", str(path)]
    result = CliRunner().invoke(app, called)
    assert result.exit_code == 0, result.output
    assert server.log


def test_a_pipe_is_as_good_as_a_file(url: str, server: FakeServer, ratings: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, KEY.encode())
    os.close(writing)
    assert stat.S_ISFIFO(os.fstat(reading).st_mode)
    called = [*arguments("replay", url, ratings), "--key-file", f"/dev/fd/{reading}"]
    result = CliRunner().invoke(app, called)
    os.close(reading)
    assert result.exit_code == 0, result.output
    assert server.log


@pytest.mark.parametrize("command", ["run", "replay"])
def test_without_a_key_it_ends_at_once(
    command: str, url: str, server: FakeServer, ratings: Path
) -> None:
    result = CliRunner().invoke(app, arguments(command, url, ratings))
    assert result.exit_code == 1
    assert result.stderr == f"clickstream: {url}: HTTP 401: no such key{CURE}"
    assert server.requests.total() == 2, "whether it is ready, and one call"


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        ("run", "/v1/stats"),
        ("run", "/v1/items:batch"),
        ("run", "/v1/recommend"),
        ("run", "/v1/events"),
        ("replay", "/v1/stats"),
    ],
)
def test_a_key_that_may_not_do_it_all_ends_at_once(
    command: str, closed: str, url: str, server: FakeServer, ratings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(VARIABLE, KEY)
    server.closed = (closed,)
    # Without end, so that nothing but the refusal can end it.
    called = arguments(command, url, ratings)
    called = ["0" if value == "0.5" else value for value in called]
    result = CliRunner().invoke(app, called)
    assert result.exit_code == 1
    assert result.stderr == f"clickstream: {url}: HTTP 403: not with this key\n"
    assert server.requests[closed] <= 32, "nobody of the 32 who click at once asked twice"


def test_a_replay_whose_key_is_taken_away_says_how_far_it_came(
    url: str, server: FakeServer, ratings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    server.closed = ("/v1/events",)
    result = CliRunner().invoke(app, arguments("replay", url, ratings))
    assert result.exit_code == 1
    assert "0 of 60 events sent" in result.stdout
    assert result.stderr == "clickstream: HTTP 403: not with this key\n"


def test_a_replay_above_the_cap_of_its_key_ends(
    url: str, server: FakeServer, ratings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    server.capped = {"u1"}
    result = CliRunner().invoke(app, arguments("replay", url, ratings))
    assert result.exit_code == 1
    assert "events were not taken: too many about one person; a key with" in result.stderr
    assert "run the same command again, nothing counts twice" in result.stderr
    assert not [event for event in server.log if event.user_id == "u1"]


def test_a_key_that_is_taken_away_ends_a_run(
    url: str, server: FakeServer, ratings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock(n: int) -> None:
        if n == 20:
            server.key = "rs_another_0"

    monkeypatch.setenv(VARIABLE, KEY)
    server.decided = lock
    called = arguments("run", url, ratings)
    result = CliRunner().invoke(app, ["0" if value == "0.5" else value for value in called])
    assert result.exit_code == 1
    assert result.stderr == f"clickstream: {url}: HTTP 401: no such key{CURE}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the API key in {path} is empty"),
        (b"\nrs_late_0\n", "the API key in {path} is empty"),
        (b"rs_x \xff\n", "the API key in {path} cannot be sent: its character 5 of 6 is a space"),
        (b"\xff\xfe", "the API key in {path} cannot be sent: its character 1 of 2 is not ASCII"),
        (None, "{path}: No such file or directory"),
    ],
)
@pytest.mark.parametrize("command", ["run", "replay"])
def test_a_file_without_a_key_is_one_line_before_the_work(
    command: str, content: bytes | None, message: str, url: str, server: FakeServer, ratings: Path
) -> None:
    path = ratings.with_name("key")
    if content is not None:
        path.write_bytes(content)
    called = [*arguments(command, url, ratings), "--key-file", str(path)]
    result = CliRunner().invoke(app, called)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"clickstream: {message.format(path=path)}")
    assert result.stderr.count("\n") == 1
    assert not server.requests


def test_an_environment_without_a_sound_key_is_one_line(
    url: str, server: FakeServer, ratings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"{KEY}\n")
    result = CliRunner().invoke(app, arguments("run", url, ratings))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"clickstream: the API key in {VARIABLE} cannot be sent")
    assert result.stderr.count("\n") == 1
    assert KEY not in result.output
    assert not server.requests
