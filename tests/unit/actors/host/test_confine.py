"""What Serve writes for HAProxy listens where the settings say, or HAProxy does not start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from actors.errors import StartupError
from actors.host import confine, haproxy
from actors.host.confine import Doors, Strange, confined
from actors.settings import HttpSettings

DOORS = Doors(api="192.0.2.7", others="127.0.0.1", header_timeout_s=7)
WRITTEN = """\
global
    # a remark: bind *:1
    stats socket /run/r/admin.sock mode 666 level admin expose-fd listeners
    stats timeout 30s
defaults
    mode http
    timeout client 60s
    timeout http-request 99s
    
    balance leastconn
frontend prometheus
    bind :9101
    http-request use-service prometheus-exporter if { path /metrics }
frontend http_frontend
    bind 127.0.0.1:8000
    http-request return status 200 string "bind *:1" if routes
backend app
    timeout http-request 5s
    server one 127.0.0.1:30000 check
listen stats
  bind *:8404
  stats enable
"""  # noqa: W293 - as Serve leaves it


def test_every_door_is_where_the_settings_say() -> None:
    expected = (
        WRITTEN.replace("mode 666 level", "level")
        .replace("admin.sock level", "admin.sock mode 600 level")
        .replace("    timeout http-request 99s\n", "")
        .replace("defaults\n", "defaults\n    timeout http-request 7s\n")
        .replace("bind :9101", "bind 127.0.0.1:9101")
        .replace("bind 127.0.0.1:8000", "bind 192.0.2.7:8000")
        .replace("  bind *:8404", "  bind 127.0.0.1:8404")
    )
    assert confined(WRITTEN, DOORS) == expected
    assert confined(expected, DOORS) == expected


def test_a_section_that_is_indented_is_one() -> None:
    written = WRITTEN.replace("backend app", "    frontend other\n    bind *:9999\nbackend app")
    assert "bind 127.0.0.1:9999" in confined(written, DOORS)
    modes = WRITTEN.replace("mode 666", "mode 666 mode 777")
    assert "mode 777" not in confined(modes, DOORS)


def test_addresses_of_six_and_what_follows_a_door() -> None:
    written = WRITTEN.replace("bind *:8404", "bind :::8404 v4v6").replace(":8000", ":8000 proto h2")
    text = confined(written, Doors("::", "::1", 7))
    assert "bind [::]:8000 proto h2\n" in text
    assert "bind [::1]:8404 v4v6\n" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bind *:8404", "bind quic4@*:8404", "line 21: an address of an unknown kind: bind quic4@"),
        ("bind *:8404", "bind *:8404-8405", "an address of an unknown kind"),
        ("bind *:8404", "bind *:8404,*:8405", "an address of an unknown kind"),
        ("bind *:8404", "bind /run/stats.sock", "an address of an unknown kind"),
        ("bind *:8404", "bind", "a door of an unknown kind"),
        ("bind *:8404", "dgram-bind *:8404", "a door of an unknown kind"),
        ("stats socket /run", "stats socket ipv4@*:99 /run", "no socket in the file system"),
        ("    balance", "    bind\t*:1\n    'bind' *:2\n    balance", "a word in disguise"),
        ("bind *:8404", 'bin"d" *:8404', "a word in disguise"),
        ("stats socket /run", 'stats "socket" ipv4@*:99 /run', "a word in disguise"),
        ("    balance", "    peers others\n    balance", "a section of an unknown kind"),
        ("    balance", "    program other\n    balance", "a section of an unknown kind"),
        ("listen stats", "peers others", "line 20: a section of an unknown kind: peers others"),
        ("frontend http_frontend", "frontend api", "there is no frontend http_frontend"),
        ("defaults\n", "defaults http\n", "there is no defaults"),
        ("    stats socket", "    # stats socket", "there is no stats socket"),
    ],
)
def test_what_is_not_understood_is_refused(old: str, new: str, message: str) -> None:
    assert old in WRITTEN
    with pytest.raises(Strange) as refusal:
        confined(WRITTEN.replace(old, new), DOORS)
    assert message in str(refusal.value)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the program that Serve starts, around one that tells what it was started with."""
    real = tmp_path / "it's real"
    real.write_text('#!/bin/sh\necho "$$"\nfor word; do echo "$word"; done\n')
    real.chmod(0o700)
    monkeypatch.setenv(haproxy.PROGRAM, str(real))
    folder = tmp_path / "with space"
    folder.mkdir()
    http = HttpSettings(host="192.0.2.7", header_timeout_s=7)
    return haproxy.program(http, folder)


linux = pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheels are for Linux")


@linux
def test_haproxy_gets_a_copy_that_nobody_else_writes(stand_in: Path) -> None:
    node = stand_in.parent / "node"
    node.mkdir()
    written = node / "haproxy.cfg"
    written.write_text(WRITTEN)
    command = [str(stand_in), "-db", "-f", str(written), "-sf", "12", "-x", "socket"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        pid, *told = process.communicate(timeout=60)[0].splitlines()
    assert int(pid) == process.pid, "Serve knows HAProxy by the number of what it started"
    copy = node / "haproxy.confined"
    assert told == ["-db", "-f", str(copy), "-sf", "12", "-x", "socket", "-L", str(written)]
    assert copy.read_text() == confined(WRITTEN, DOORS)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert written.read_text() == WRITTEN
    assert haproxy.refused(stand_in.parent) == ""


@linux
def test_a_refusal_starts_nothing_and_is_told(stand_in: Path) -> None:
    node = stand_in.parent / "node"
    node.mkdir()
    written = node / "haproxy.cfg"
    written.write_text(WRITTEN.replace("listen stats", "peers others"))
    done = subprocess.run(
        [stand_in, "-f", written], capture_output=True, text=True, timeout=60, check=False
    )
    sentence = (
        "the configuration that Serve wrote for HAProxy is refused: "
        "line 20: a section of an unknown kind: peers others"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{sentence}\n")
    assert not (node / "haproxy.confined").exists()
    assert haproxy.refused(stand_in.parent).startswith(f"{sentence}; use another version of Ray")


@linux
def test_where_nothing_can_be_executed_the_cure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: "haproxy" not in Path(path).parent.name)
    folder = tmp_path / "haproxy"
    folder.mkdir()
    with pytest.raises(StartupError, match=r"can be executed, .* TMPDIR, .* http\.haproxy: false"):
        haproxy.program(HttpSettings(), folder)


@linux
def test_a_program_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(haproxy.PROGRAM, str(tmp_path / "nothing"))
    with pytest.raises(StartupError, match=r"HAProxy cannot be used: .*nothing"):
        haproxy.program(HttpSettings(), tmp_path)


def test_the_stand_in_needs_nothing_but_python() -> None:
    code = f"import runpy, sys; runpy.run_path({confine.__file__!r}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert not {"actors", "pydantic", "site"} & set(done.stdout.split())


@linux
def test_who_is_behind_haproxy_is_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = HttpSettings(host="0.0.0.0")
    assert haproxy.serve_host(everywhere) == "127.0.0.1"
    assert haproxy.serve_host(everywhere.model_copy(update={"haproxy": False})) == "0.0.0.0"
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
    assert haproxy.serve_host(everywhere) == "0.0.0.0"


@linux
def test_what_strangers_could_do_is_told() -> None:
    assert list(haproxy.warnings(HttpSettings())) == []
    assert list(haproxy.warnings(HttpSettings(haproxy=False, host="localhost"))) == []
    assert list(haproxy.warnings(HttpSettings(host="0.0.0.0"))) == []
    (slow,) = haproxy.warnings(HttpSettings(haproxy=False, host="192.0.2.7"))
    assert "whoever reaches 192.0.2.7 can send headers as slowly" in slow
    (read,) = haproxy.warnings(HttpSettings(haproxy_side_host="::"))
    assert "whoever reaches :: reads HAProxy's statistics" in read


def test_doors_survive_their_journey() -> None:
    assert Doors(*json.loads(json.dumps(DOORS))) == DOORS
