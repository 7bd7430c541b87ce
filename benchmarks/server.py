"""A server for one benchmark: ``recsys serve`` in a process of its own, over a folder that goes.

It ends with the benchmark, however that ends: by itself, by a fault, by Ctrl-C or by SIGTERM.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from actors.host.ports import free_port
from actors.host.processes import Process, find, marked
from actors.host.run_folder import clean_leftovers, cluster_on, run_of
from actors.layout import shard_folder

__all__ = [
    "RECSYS",
    "SHARDS",
    "Server",
    "hear_signals",
    "holder",
    "own_server",
    "server_at",
    "title_of",
]

SHARDS: Final = 2
_START_S: Final = 300.0
"""The first one after an installation compiles for a minute and a half."""
_STOP_S: Final = 60.0
_POLL_S: Final = 0.05
RECSYS: Final = (sys.executable, "-m", "actors.cli.main")


class Server:
    """A running ``recsys serve``.

    Parameters
    ----------
    folder
        Empty; takes settings, data and output.
    engine
        The ``engine`` section of its settings; what is absent has its default.
    environment
        Variables that its processes have beside ours.
    data
        A data directory to begin with; it is copied.

    Raises
    ------
    RuntimeError
        When it does not come up; the message ends with what it said.
    """

    def __init__(
        self,
        folder: Path,
        engine: Mapping[str, object],
        environment: Mapping[str, str] | None = None,
        data: Path | None = None,
    ) -> None:
        self.data_dir = folder / "data"
        self._output = folder / "output"
        port, dashboard, stats, metrics = _free_ports(4)
        self.url = f"http://127.0.0.1:{port}"
        settings = {
            "http": {
                "dashboard_port": dashboard,
                "haproxy_stats_port": stats,
                "haproxy_metrics_port": metrics,
            },
            "shards": {"count": SHARDS},
            "engine": dict(engine),
        }
        config = folder / "server.yaml"
        # Whatever is JSON is YAML, too.
        config.write_text(json.dumps(settings))
        if data is not None:
            shutil.copytree(data, self.data_dir)
        command = [*RECSYS, "serve", "--config", str(config), "--port", str(port)]
        command += ["--data-dir", str(self.data_dir)]
        with self._output.open("w") as output:
            # In a session of its own, so that Ctrl-C reaches it once, through us.
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def output(self) -> str:
        """Return what it has printed."""
        return self._output.read_text(errors="replace")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while "recsys is ready" not in self.output():
            if self._process.poll() is not None or time.monotonic() > deadline:
                message = f"the server did not start:\n{self.output()}"
                raise RuntimeError(message)
            time.sleep(_POLL_S)

    def shard(self, index: int) -> Process:
        """Return the process that writes a shard's log right now.

        Raises
        ------
        RuntimeError
            When there is none.
        """
        process = self.find_shard(index)
        if process is None:
            message = f"no process has the log of shard {index} open"
            raise RuntimeError(message)
        return process

    def find_shard(self, index: int) -> Process | None:
        """Do as ``shard``, but return ``None`` when there is none."""
        return holder(self._log(index))

    def shard_folder(self, index: int) -> Path:
        """Return where a shard keeps its state."""
        return shard_folder(self.data_dir, index)

    def processes(self, title: str) -> list[Process]:
        """Return its processes that call themselves so."""
        folder = run_of(self._process.pid)
        everyone = [] if folder is None else marked(folder)
        return [process for process in everyone if title in title_of(process)]

    @property
    def cluster(self) -> str:
        """Where its Ray is reached."""
        cluster = cluster_on(self.data_dir)
        if cluster is None:
            message = "the server has no Ray any more"
            raise RuntimeError(message)
        return cluster.address

    def ray_environment(self) -> dict[str, str]:
        """Return the environment in which its Ray was started."""
        raylets = self.processes("raylet/raylet")
        if not raylets:
            message = "the server has no Ray any more"
            raise RuntimeError(message)
        words = Path(f"/proc/{raylets[0].pid}/environ").read_bytes().split(b"\0")
        pairs = (word.decode(errors="replace").split("=", 1) for word in words if b"=" in word)
        return {pair[0]: pair[1] for pair in pairs}

    def _log(self, index: int) -> Path:
        return self.shard_folder(index) / "log.sqlite"

    def stop(self) -> int:
        """End it as Ctrl-C does and return its exit status. A second call is fine."""
        if self._process.poll() is not None:
            return self._process.returncode
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(_STOP_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()
            # Ray's processes do not end with their driver; the next server would clean up, too.
            clean_leftovers()
            raise


def holder(path: Path) -> Process | None:
    """Return a process that has a file open, ``None`` when there is none; Linux only."""
    wanted = path.resolve()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _has_open(entry, wanted):
            return find(int(entry.name))
    return None


def title_of(process: Process) -> str:
    """Return what a process calls itself, empty once it has ended."""
    try:
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return command.replace(b"\0", b" ").decode(errors="replace").strip()


def _free_ports(n: int) -> list[int]:
    ports: dict[int, None] = {}
    while len(ports) < n:
        ports[free_port()] = None
    return list(ports)


def _has_open(process: Path, path: Path) -> bool:
    try:
        return any(_leads_to(link, path) for link in (process / "fd").iterdir())
    except OSError:
        return False  # somebody else's, or it has ended


def _leads_to(link: Path, path: Path) -> bool:
    try:
        return link.readlink() == path
    except OSError:
        return False  # closed since it was listed


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


def hear_signals() -> None:
    """Take Ctrl-C and SIGTERM as ``KeyboardInterrupt``, so that all is cleaned up."""
    # A shell that starts us in the background lets us ignore Ctrl-C, and `timeout` sends SIGTERM.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)


@contextmanager
def own_server(
    engine: Mapping[str, object],
    environment: Mapping[str, str] | None = None,
    data: Path | None = None,
) -> Iterator[Server]:
    """Run a server as ``Server`` describes it, over a fresh data directory."""
    hear_signals()
    with tempfile.TemporaryDirectory(prefix="bench-recsys-") as name:
        server = Server(Path(name), engine, environment, data)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def server_at(url: str | None, engine: Mapping[str, object]) -> Iterator[str]:
    """Yield ``url``, or the address of a server of our own where it is ``None``."""
    if url is not None:
        yield url
        return
    with own_server(engine) as server:
        yield server.url
