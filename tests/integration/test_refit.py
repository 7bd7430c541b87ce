"""``recsys refit`` beside a running server: a task reads the shards' logs and one shard adopts."""

import subprocess
from contextlib import closing
from pathlib import Path

import httpx2
import msgspec

from actors.layout import DataFolder, shard_folder
from actors.settings import HttpSettings, load_settings
from recsys.client import Client
from recsys.engine import Engine
from tests.integration.cluster import wait_until
from tests.integration.test_commands import RECSYS, Server, click
from tests.logs import ranked, served

ENGINE = "{learners: {listwise: {hidden: 4, start: {mix: -3.0}, learning_rate: 1.0e-4}}}"
"""Starts at the mix upside down, and learns slowly."""


def fill(config: Path, data_dir: Path) -> int:
    """Give shard 0 a log, as if it had served; return its length."""
    settings = load_settings(config)
    shards = settings.shards.model_copy(update={"data_dir": data_dir})
    DataFolder(shards).release()
    made = served(ranked(start={"mix": -3.0}, learning_rate=1e-4), 420)
    with closing(Engine.open(shard_folder(data_dir, 0), settings.engine)) as engine:
        engine.apply([event for _, event in made.store.read(after=0)])
        return engine.stats().sequence


def bases(url: str) -> list[int]:
    shards = httpx2.get(f"{url}/v1/stats").json()["shards"]
    return [shard["engine"]["base"]["version"] for shard in shards]


def test_a_running_shard_adopts_what_is_better(tmp_path: Path, free_http: HttpSettings) -> None:
    server = Server(tmp_path, free_http, engine=ENGINE)
    config = tmp_path / "server.yaml"
    events = fill(config, server.data_dir)
    figures = tmp_path / "figures.json"
    command = [*RECSYS, "refit", "--config", str(config), "--data-dir", str(server.data_dir)]
    command += ["--passes", "2", "--json", str(figures)]
    try:
        server.start()
        done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        one, other = msgspec.json.decode(figures.read_bytes())
        assert one["adopted"], one
        assert one["events"] == events
        assert not other["adopted"]
        assert bases(server.url) == [1, 0]
        with Client(server.url) as client:
            assert client.send_events([click(number) for number in range(20)]).accepted == 20

        server.process.kill()
        server.process.wait()
        server.start()
        wait_until("both shards answer", lambda: bases(server.url) == [1, 0])

        config.write_text(config.read_text().replace("hidden: 4", "hidden: 5"))
        wrong = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
        assert wrong.returncode == 1
        assert wrong.stderr == (
            "recsys: the shards of this Ray cluster run with other settings; "
            "changes of shards, engine or kafka need a new cluster\n"
        )
        assert server.interrupt() == 0
    finally:
        server.close()
