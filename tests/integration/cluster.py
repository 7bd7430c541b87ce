"""The session's server as the tests see it, with what they need to hurt it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import httpx2
import msgspec

from actors.host.processes import Process, alive, find, marked
from actors.layout import shard_folder
from actors.settings import ServerSettings
from benchmarks.server import holder, title_of
from recsys.engine import Engine

__all__ = ["Cluster", "wait_until"]

T = TypeVar("T")


def wait_until(what: str, condition: Callable[[], bool], timeout_s: float = 60.0) -> float:
    """Poll until something holds; return how many seconds it took."""
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        assert waited < timeout_s, f"waited {timeout_s:g} s until {what}"
        time.sleep(0.05)
    return time.monotonic() - started


class Cluster:
    """A server that ``tests.integration.server_process`` runs."""

    def __init__(self, settings: ServerSettings, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{settings.http.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.server_process", settings.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        try:
            self.folder = Path(self._read(str))
        except BaseException:
            with self._process:
                self._process.kill()
            raise

    def _read(self, kind: type[T]) -> T:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server ended; its last words are in the captured standard error"
        return msgspec.json.decode(line, type=kind)

    def _ask(self, kind: type[T], *order: str | int) -> T:
        assert self._process.stdin is not None
        print(msgspec.json.encode(order).decode(), file=self._process.stdin, flush=True)
        return self._read(kind)

    def stop(self) -> None:
        """End the server well, and see that nothing is left of it."""
        with self._process:
            try:
                self._process.communicate(timeout=60)
            finally:
                self._process.kill()
        assert self._process.returncode == 0
        assert marked(self.folder) == []
        assert not self.folder.exists()

    def ready(self) -> bool:
        """Return whether all shards answer over HTTP."""
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def wait_until_ready(self) -> float:
        return wait_until("the server is ready", self.ready)

    def shard_pid(self, index: int) -> int:
        return self._ask(int, "shard_pid", index)

    def find_shard(self, index: int) -> Process | None:
        """Return the process that has a shard's log open, if there is one."""
        return holder(self.shard_folder(index) / "log.sqlite")

    def shard_folder(self, index: int) -> Path:
        return shard_folder(self.settings.shards.data_dir, index)

    def copy_shard(self, index: int, target: Path) -> Path:
        """Return a copy of what a shard has on the disk, as if it had been killed just now."""
        process = self.find_shard(index)
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        try:
            folder = Path(shutil.copytree(self.shard_folder(index), target / f"{index}"))
        finally:
            os.kill(process.pid, signal.SIGCONT)
        with closing(Engine.open(folder, self.settings.engine)) as engine:
            engine.snapshot()
        return folder

    def epoch(self) -> int:
        """Return the epoch of the shard map."""
        return self._ask(int, "epoch")

    def notices(self) -> list[str]:
        """Return all that the supervisor noticed."""
        return self._ask(list[str], "notices")

    def output(self) -> str:
        """Return the same as ``recsys serve`` would print it."""
        return "\n".join(self.notices())

    def end_for_good(self, index: int) -> None:
        """End a shard so that Ray does not restart it."""
        self._ask(str, "end_for_good", index)

    def spin(self, index: int) -> None:
        """Keep a shard's event loop busy for ever."""
        self._ask(str, "spin", index)

    def processes(self, title: str) -> list[Process]:
        """Return the server's processes that call themselves so."""
        return [process for process in marked(self.folder) if title in title_of(process)]

    def kill_processes(self, title: str) -> None:
        """End them without a word."""
        victims = self.processes(title)
        assert victims, f"there is no process {title}"
        for victim in victims:
            self.kill_process(victim.pid)

    def kill_process(self, pid: int) -> None:
        """End one process without a word."""
        victim = find(pid)
        assert victim is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(f"process {pid} has ended", lambda: not alive(victim))
