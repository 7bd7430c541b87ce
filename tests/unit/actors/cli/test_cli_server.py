"""However a server is ended, no process and no run folder of it stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.host.processes import marked

ROOT = Path(__file__).parents[4]
PROGRAM = """
import os, signal, subprocess, sys, types
from pathlib import Path
import actors.cli.interrupts
from actors.cli.server import run_server
from actors.settings import ServerSettings

clock = [100.0]
actors.cli.interrupts.monotonic = lambda: clock[0]

def send(number):
    clock[0] += 1.0
    os.kill(os.getpid(), number)

def leave():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

class Runtime:
    url = dashboard_url = "nowhere"

    def __init__(self, settings, folder):
        self.folder = folder
        Path("run_folder").write_text(str(folder.path))

    def start(self):
        # Somebody who left the process group, as HAProxy and Ray's workers do.
        subprocess.Popen(["sleep", "60"], start_new_session=True, **NOWHERE)
        START

    def drain(self):
        Path("drained").touch()
        DRAIN

def task(runtime, console):
    TASK

NOWHERE = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
sys.modules["actors.runtime"] = types.SimpleNamespace(Runtime=Runtime)
actors.cli.server.check_ports = lambda ports: None
actors.cli.server.clean_leftovers = lambda: []
import typer
try:
    run_server(ServerSettings(), task, keep_data=False)
except typer.Exit as end:
    sys.exit(end.exit_code)
"""
INTERRUPT = "send(signal.SIGINT)"
TWICE = """
    try:
        send(signal.SIGINT)
    finally:
        send(signal.SIGINT)
"""


def run(
    tmp_path: Path, *, start: str = "", task: str = "", drain: str = "", stdout: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a server whose runtime and task do as they are told; nothing may be left of it."""
    program = PROGRAM
    for name, text in (("START", start), ("TASK", task), ("DRAIN", drain)):
        program = program.replace(name, text or "return 0")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "RAY_AUTH_TOKEN": "token", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    folder = Path((tmp_path / "run_folder").read_text())
    left = marked(folder)
    for process in left:
        os.kill(process.pid, signal.SIGKILL)
    assert left == [], done
    assert not folder.exists()
    return done


@pytest.mark.parametrize("start", ["leave(); send(signal.SIGTERM)", INTERRUPT])
def test_an_end_while_ray_starts(tmp_path: Path, start: str) -> None:
    done = run(tmp_path, start=start)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "drained").exists()


END = "from actors.host.processes import end_marked; end_marked(self.folder.path, 0.1)"


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_end_while_it_serves(tmp_path: Path, number: str) -> None:
    done = run(tmp_path, task=f"send(signal.{number})", drain=END)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("stopping ... (Ctrl-C: stop at once)\nstopped\n")
    assert (tmp_path / "drained").exists()


def test_a_terminal_that_was_closed_keeps_nobody_from_draining(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(tmp_path, task="send(signal.SIGHUP)", drain=END, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "drained").exists()


def test_a_server_that_has_lost_rays_head(tmp_path: Path) -> None:
    fault = "from actors.errors import RuntimeFault; raise RuntimeFault('the head has ended')"
    done = run(tmp_path, task=fault, drain=END)
    assert (done.returncode, done.stderr) == (1, "recsys: the head has ended\n")
    # There is nobody left to ask: what was acknowledged is on the disk.
    assert not (tmp_path / "drained").exists()


def test_a_second_interrupt_while_the_task_ends_is_the_last(tmp_path: Path) -> None:
    done = run(tmp_path, task=TWICE)
    assert done.returncode == 130
    assert "stop at once" not in done.stdout
    assert not (tmp_path / "drained").exists()


def test_a_second_interrupt_while_it_drains(tmp_path: Path) -> None:
    assert run(tmp_path, task=INTERRUPT, drain=INTERRUPT).returncode == 130


def test_a_drain_that_fails(tmp_path: Path) -> None:
    done = run(tmp_path, task=INTERRUPT, drain="raise RuntimeError('GCS has died')")
    assert done.returncode == 1
    assert done.stderr == "recsys: the shards did not drain: GCS has died\n"
