"""``recsys train``, ``serve``, ``refit``, ``backup`` and ``restore`` as their users run them.

One data directory and one server live through all of it, since most of a minute is the start.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import msgspec
import pytest

from actors.auth.key_file import changing_keys
from actors.host.processes import marked
from actors.layout import DataFolder, shard_folder
from actors.settings import HttpSettings, load_settings
from benchmarks.people import shard_of
from recsys.client import Client, NewFeedback
from recsys.engine import Engine
from recsys.errors import ApiError
from recsys.store.sqlite import SqliteStore
from tests.histories import ITEMS, ROWS, USERS, make_history
from tests.integration.cluster import wait_until
from tests.integration.command import Server, recsys
from tests.logs import ranked, served

ENGINE = """
  drift: {enabled: false}
  learners: {listwise: {hidden: 4, start: {mix: -3.0}, learning_rate: 1.0e-4}}
"""
"""Starts at the mix upside down, and learns slowly; in so short a history the last digit of a
feature decides whether there is an alarm, which commands would tell of."""


def train(server: Server) -> subprocess.CompletedProcess[str]:
    folder = server.config.parent
    files = ("--from", folder / "ratings.csv", "--items", folder / "goods.csv")
    return recsys("train", *files, "--config", server.config, "--data-dir", server.data_dir)


def let_serve(server: Server) -> None:
    """Write into shard 0 what it would have if it had served for long."""
    made = served(ranked(start={"mix": -3.0}, learning_rate=1e-4), 420)
    settings = load_settings(server.config)
    shards = settings.shards.model_copy(update={"data_dir": server.data_dir})
    DataFolder(shards).release()
    with closing(Engine.open(shard_folder(server.data_dir, 0), settings.engine)) as engine:
        engine.apply([event for _, event in made.store.read(after=0)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, free_http: HttpSettings) -> Iterator[Server]:
    """Give a server that has not been started; one shard has served, both were trained."""
    folder = tmp_path_factory.mktemp("commands")
    make_history(folder)
    server = Server(folder, free_http, engine=ENGINE)
    let_serve(server)
    done = train(server)
    assert (done.returncode, done.stderr) == (0, "")
    command = f"recsys serve --config {server.config} --data-dir {server.data_dir}"
    assert f"`{command}` starts with it" in done.stdout
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def server(trained: Server) -> Server:
    if not trained.running:
        trained.start()
    return trained


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


def bases(server: Server) -> list[int]:
    headers = {"X-API-Key": os.environ.get("RECSYS_API_KEY", "")}
    shards = httpx2.get(f"{server.url}/v1/stats", headers=headers).json()["shards"]
    return [shard["engine"]["base"]["version"] for shard in shards]


def test_a_server_starts_from_what_was_trained(server: Server) -> None:
    number = next(number for number in range(USERS) if shard_of(f"u{number}") == 1)
    with Client(server.url) as client:
        user = client.user(f"u{number}")
        assert user is not None
        assert user.events == sum(row % USERS == number for row in range(ROWS))
        answer = client.recommend(f"u{number}", n=ITEMS)
        assert not answer.fallback
        # What they gave five stars is theirs already.
        assert {item.item_id for item in answer.items} < {f"i{n}" for n in range(ITEMS)}
    refused = train(server)
    assert refused.returncode == 1
    assert f"{server.data_dir} is in use by another recsys (process " in refused.stderr


def test_a_running_shard_adopts_what_is_better(server: Server, tmp_path: Path) -> None:
    with Client(server.url) as client:
        events = client.stats().shards[0].engine.sequence
    figures = tmp_path / "figures.json"
    order = ("--data-dir", server.data_dir, "--passes", "2", "--json", figures)
    done = recsys("refit", "--config", server.config, *order)
    assert (done.returncode, done.stderr) == (0, "")
    one, other = msgspec.json.decode(figures.read_bytes())
    assert one["adopted"], one
    # What the shards tell each other are events, too.
    assert one["events"] >= events
    assert not other["adopted"]
    assert bases(server) == [1, 0]

    different = tmp_path / "different.yaml"
    different.write_text(server.config.read_text().replace("hidden: 4", "hidden: 5"))
    wrong = recsys("refit", "--config", different, *order)
    assert wrong.returncode == 1
    assert wrong.stderr == (
        "recsys: the shards of this Ray cluster run with other settings; "
        "changes of shards, engine or kafka need a new cluster\n"
    )


def found_out(server: Server, folder: Path) -> None:
    """Be refused without a key, with a weak one and with one that was revoked; all is logged."""
    with Client(server.url) as client, pytest.raises(ApiError, match="asks for an API key"):
        client.stats()
    where = ("--data-dir", server.data_dir)
    made = recsys("keys", "new", "shop", "--scope", "recommend", *where)
    assert (made.returncode, made.stderr) == (0, "")
    text = made.stdout.strip()
    with Client(server.url, key=text) as client:
        wait_until("the gateway knows the key", lambda: _let_in(client))
        with pytest.raises(ApiError, match="has not the scope admin; it has recommend"):
            client.erase_user("ann")
        with changing_keys(server.data_dir / "keys.json") as keys:
            del keys["shop"]
        wait_until("the gateway has forgotten the key", lambda: not _let_in(client))
    secret = text.split("_", 2)[2].encode()
    logs = b"".join(path.read_bytes() for path in folder.rglob("r/session_*/logs/worker-*.err"))
    assert b"refused 401: GET /v1/stats by nobody known" in logs
    assert b"refused 403: DELETE /v1/users/{user_id:path} by key shop" in logs
    files = [path for path in (*folder.rglob("*"), *server.data_dir.rglob("*")) if path.is_file()]
    assert not any(secret in path.read_bytes() for path in files)


def _let_in(client: Client) -> bool:
    try:
        client.recommend("ann")
    except ApiError as error:
        if error.status != 401:
            raise
        return False
    return True


def test_a_server_from_start_over_a_kill_to_ctrl_c(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(server.url) as client:
        sent = client.send_events([click(number) for number in range(100)])
    assert sent.accepted == 100
    adopted = bases(server)

    busy = subprocess.run(server.command, capture_output=True, text=True, timeout=60, check=False)
    assert busy.returncode == 1
    assert busy.stderr == (
        f"recsys: port {server.port} is in use by another process; "
        "stop it or choose another with --port\n"
    )

    server.kill()
    monkeypatch.setenv("RECSYS__HTTP__AUTH__ALWAYS", "true")
    server.start()
    killed, folder = server.run_folders[-2:]
    assert marked(killed) == []
    assert not killed.exists()
    assert f"an earlier server on port {server.port} was killed" in server.output()
    found_out(server, folder)
    monkeypatch.setenv("RECSYS_API_KEY", (server.data_dir / "admin.key").read_text().strip())
    assert bases(server) == adopted
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

    everything = written(server.data_dir)
    clicks = sorted(event_id for event_id in everything if event_id.startswith("event-"))
    assert clicks == sorted(f"event-{n}" for n in range(101))
    restored = server.data_dir.parent / "restored"
    keys = ("--keys", server.data_dir)
    assert recsys("restore", "--from", copies, "--data-dir", restored, *keys).returncode == 0
    assert recsys("verify", restored).returncode == 0
    assert written(restored) == everything
    assert f"{ROWS} events: 0 learned, {ROWS} duplicates skipped" in train(server).stdout
