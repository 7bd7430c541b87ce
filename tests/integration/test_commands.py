"""``recsys serve``, ``train`` and ``demo`` as their users run them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from actors.host.processes import marked
from actors.settings import HttpSettings
from recsys.client import Client, NewFeedback
from recsys.store.sqlite import SqliteStore
from tests.histories import ITEMS, ROWS, USERS, make_history
from tests.integration.cluster import wait_until

RECSYS = [sys.executable, "-m", "actors.cli.main"]


def recsys(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*RECSYS, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def run_folders() -> set[Path]:
    return set(Path("/tmp").glob("recsys-*"))


class Server:
    """A running ``recsys serve`` in a process group of its own, as a terminal would have it."""

    def __init__(self, folder: Path, http: HttpSettings, engine: str = "{}") -> None:
        self.data_dir = folder / "data"
        self.port = http.port
        self.url = f"http://127.0.0.1:{http.port}"
        config = folder / "server.yaml"
        config.write_text(
            f"http: {{dashboard_port: {http.dashboard_port}, "
            f"haproxy_stats_port: {http.haproxy_stats_port}, "
            f"haproxy_metrics_port: {http.haproxy_metrics_port}}}\n"
            f"engine: {engine}\n"
        )
        self.command = [*RECSYS, "serve", "--config", str(config), "--port", str(http.port)]
        self.command += ["--data-dir", str(self.data_dir)]
        self.run_folders: list[Path] = []
        self._log = folder / "output"

    def start(self) -> None:
        before = run_folders()
        with self._log.open("w") as output:
            self.process = subprocess.Popen(
                self.command, stdout=output, stderr=output, start_new_session=True
            )
        wait_until("the command says that it is ready", self._is_ready)
        self.run_folders += run_folders() - before

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.output()
        return "recsys is ready" in self.output()

    def output(self) -> str:
        return self._log.read_text()

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout=60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for folder in self.run_folders:
            for left in marked(folder):
                os.kill(left.pid, signal.SIGKILL)


@pytest.fixture
def server(tmp_path: Path, free_http: HttpSettings) -> Iterator[Server]:
    server = Server(tmp_path, free_http)
    try:
        server.start()
        yield server
    finally:
        server.close()


def click(number: int) -> NewFeedback:
    return NewFeedback(
        type="click", user_id=f"user-{number % 8}", item_id="thing", event_id=f"event-{number}"
    )


def written(data_dir: Path) -> list[str]:
    """Return the ids in the logs of all shards."""
    ids = []
    for path in sorted(data_dir.glob("shard-*/log.sqlite")):
        store = SqliteStore(path)
        ids += [event.event_id for _, event in store.read(after=0)]
        store.close()
    return ids


def test_a_server_from_start_over_a_kill_to_ctrl_c(server: Server) -> None:
    with Client(server.url) as client:
        sent = client.send_events([click(number) for number in range(100)])
    assert sent.accepted == 100

    busy = subprocess.run(server.command, capture_output=True, text=True, timeout=60, check=False)
    assert busy.returncode == 1
    assert busy.stderr == (
        f"recsys: port {server.port} is in use by another process; "
        "stop it or choose another with --port\n"
    )

    server.process.kill()
    server.process.wait()
    server.start()
    killed, folder = server.run_folders
    assert marked(killed) == []
    assert not killed.exists()
    assert f"an earlier server on port {server.port} was killed" in server.output()
    with Client(server.url) as client:
        sent = client.send_events([click(number) for number in range(101)])
    assert (sent.duplicates, sent.accepted) == (100, 1)

    copies = (server.data_dir.parent / "copies").as_uri()
    copied = recsys("backup", "--data-dir", server.data_dir, "--to", copies)
    assert (copied.returncode, copied.stderr) == (0, "")
    assert "shard 0: up to event " in copied.stdout
    refused = recsys("verify", server.data_dir)
    assert f"{server.data_dir} is in use by another recsys (process " in refused.stderr

    assert server.interrupt() == 0
    assert marked(folder) == []
    assert not folder.exists()
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"{server.url}/livez")
    assert f"API            {server.url}\n" in server.output()
    assert server.output().endswith("stopped\n")
    everything = sorted(f"event-{n}" for n in range(101))
    assert sorted(written(server.data_dir)) == everything
    restored = server.data_dir.parent / "restored"
    keys = ("--keys", server.data_dir)
    assert recsys("restore", "--from", copies, "--data-dir", restored, *keys).returncode == 0
    assert recsys("verify", restored).returncode == 0
    assert sorted(written(restored)) == everything


def test_a_server_starts_from_what_was_trained(tmp_path: Path, free_http: HttpSettings) -> None:
    settings = make_history(tmp_path)
    server = Server(tmp_path, free_http)
    train = [*RECSYS, "train", "--from", str(tmp_path / "ratings.csv")]
    train += ["--data-dir", str(server.data_dir), "--items", str(tmp_path / "goods.csv")]
    trained = subprocess.run(train, capture_output=True, text=True, timeout=120, check=False)
    assert (trained.returncode, trained.stderr) == (0, "")
    assert f"`recsys serve --data-dir {settings.shards.data_dir}` starts with it" in trained.stdout
    try:
        server.start()
        with Client(server.url) as client:
            user = client.user("u3")
            assert user is not None
            assert user.events == sum(number % USERS == 3 for number in range(ROWS))
            answer = client.recommend("u3", n=ITEMS)
            assert not answer.fallback
            # What they gave five stars is theirs already.
            assert {item.item_id for item in answer.items} < {f"i{n}" for n in range(ITEMS)}
        refused = subprocess.run(train, capture_output=True, text=True, timeout=60, check=False)
        assert refused.returncode == 1
        assert f"{server.data_dir} is in use by another recsys (process " in refused.stderr
        assert server.interrupt() == 0
    finally:
        server.close()
    again = subprocess.run(train, capture_output=True, text=True, timeout=120, check=False)
    assert f"{ROWS} events: 0 learned, {ROWS} duplicates skipped" in again.stdout


def test_the_demo_learns_something_and_leaves_a_picture(
    tmp_path: Path, free_http: HttpSettings
) -> None:
    before = run_folders()
    command = [*RECSYS, "demo", "--duration", "3", "--port", str(free_http.port)]
    demo = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (demo.returncode, demo.stderr) == (0, "")
    assert f"API            http://127.0.0.1:{free_http.port}\n" in demo.stdout
    for arm in ("learner", "popularity", "random"):
        assert f"│ {arm}" in demo.stdout
    assert "0 failed" in demo.stdout
    assert "errors:" not in demo.stdout
    assert demo.stdout.endswith("stopped\n")
    assert (tmp_path / "demo-clickrate.png").read_bytes().startswith(b"\x89PNG")
    assert run_folders() == before
