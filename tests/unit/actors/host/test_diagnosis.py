"""``recsys doctor``: what would stop a server is found before it starts."""

import os
import resource
import socket
import sqlite3
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors.auth.key_file import changing_keys
from actors.auth.keys import make_key
from actors.auth.settings import AuthSettings
from actors.cli.main import app
from actors.host.diagnosis import Finding, diagnose, file_system_of, flush_latencies
from actors.host.ports import free_port
from actors.settings import HttpSettings, ServerSettings, ShardSettings

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    http = HttpSettings(port=free_port(), dashboard_port=free_port(), haproxy=False)
    return ServerSettings(http=http, shards=ShardSettings(data_dir=tmp_path / "a" / "data"))


def found(settings: ServerSettings) -> dict[str, Finding]:
    return {finding.what: finding for finding in diagnose(settings)}


def test_a_good_machine(settings: ServerSettings) -> None:
    findings = found(settings)
    for what in ("Python", "ray", "river", "vowpalwabbit", "SQLite", "free space", "clock"):
        assert findings[what].level == "ok", findings[what]
    assert findings[f"port {settings.http.port}"].text == "free, for the API"
    assert findings["SQLite"].text.startswith(sqlite3.sqlite_version)
    assert "commits/s" in findings["flush"].text
    assert not settings.shards.data_dir.parent.exists()


@linux
def test_whose_port_it_is(settings: ServerSettings) -> None:
    with socket.create_server(("127.0.0.1", settings.http.port)):
        finding = found(settings)[f"port {settings.http.port}"]
    assert finding.level == "fault"
    assert f"in use by another process (process {os.getpid()}, " in finding.text
    assert finding.text.endswith("wanted for the API; choose another with --port")


def test_what_strangers_could_do_is_a_warning(settings: ServerSettings) -> None:
    assert "strangers" not in found(settings)
    http = settings.http.model_copy(update={"host": "0.0.0.0"})
    finding = found(settings.model_copy(update={"http": http}))["strangers"]
    assert finding.level == "warning"
    assert "can send headers as slowly as they like" in finding.text


def test_keys_are_looked_at_where_they_are_asked_for(settings: ServerSettings) -> None:
    assert found(settings)["API keys"].text.startswith("not asked for")
    http = settings.http.model_copy(update={"auth": AuthSettings(always=True)})
    asking = settings.model_copy(update={"http": http})
    assert found(asking)["API keys"].text.startswith("the first start makes one")
    path = settings.shards.data_dir / "keys.json"
    with changing_keys(path) as keys:
        _, keys["old"] = make_key("old", ["read"], 0, expires_ms=1)
    assert found(asking)["API keys"].level == "warning"
    with changing_keys(path) as keys:
        _, keys["shop"] = make_key("shop", ["read"], 0)
    assert found(asking)["API keys"] == Finding("API keys", "ok", f"1 in {path}")
    path.write_text("?")
    assert found(asking)["API keys"].level == "fault"


def test_few_open_files(settings: ServerSettings) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for limit, level in ((1000, "fault"), (2000, "warning")):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            assert found(settings)["open files"].level == level
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_file_systems_are_told_apart(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
        "25 21 0:23 / /mnt/far\\040away rw shared:3 - nfs4 host:/x rw\n"
        "26 21 0:24 / /mnt rw - tmpfs tmpfs rw\n"
    )
    kinds = {
        name: file_system_of(Path(name), mounts)
        for name in ("/srv/data", "/mnt/data", "/mnt/far away/data", "/mntdata")
    }
    assert kinds == {
        "/srv/data": "ext4",
        "/mnt/data": "tmpfs",
        "/mnt/far away/data": "nfs4",
        "/mntdata": "ext4",
    }
    assert file_system_of(Path("/"), tmp_path / "none") == "unknown"


@linux
def test_memory_is_no_disk(settings: ServerSettings) -> None:
    if file_system_of(Path("/dev/shm")) != "tmpfs":
        pytest.skip("this machine has no /dev/shm")
    shards = ShardSettings(data_dir=Path("/dev/shm/recsys-nothing"))
    finding = found(settings.model_copy(update={"shards": shards}))["file system"]
    assert finding.level == "fault"
    assert finding.text.startswith("tmpfs: all is lost when the machine ends")


def test_flushes_are_timed(tmp_path: Path) -> None:
    with (tmp_path / "probe").open("wb") as probe:
        seconds = flush_latencies(probe.fileno())
    assert len(seconds) == 100
    assert seconds == sorted(seconds)
    assert (tmp_path / "probe").stat().st_size == 100 * 4096


def test_the_command(settings: ServerSettings, tmp_path: Path) -> None:
    config = tmp_path / "server.yaml"
    http = settings.http
    config.write_text(
        f"http: {{port: {http.port}, dashboard_port: {http.dashboard_port}, haproxy: false}}\n"
        f"shards: {{data_dir: {tmp_path / 'data'}}}\n"
    )
    done = CliRunner().invoke(app, ["doctor", "--config", str(config)])
    assert done.exit_code == 0, done.output
    with socket.create_server(("127.0.0.1", http.port)):
        done = CliRunner().invoke(app, ["doctor", "--config", str(config)])
    assert done.exit_code == 1
    assert "1 of these would stop the server" in done.output
