"""Starts an alternative of ``benchmarks.peers`` in its own environment, and speaks with it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from actors.host.ports import free_port

__all__ = ["ALTERNATIVES", "Alternative", "Kind", "environment", "running"]

_ROOT: Final = Path(__file__).parents[1]
_REQUIREMENTS: Final = _ROOT / "benchmarks" / "peers" / "requirements.txt"
_START_S: Final = 120.0
_ANSWER_S: Final = 300.0
REDIS: Final = "redis-server"


class Kind(NamedTuple):
    """One of them.

    Attributes
    ----------
    name
        For people.
    module
        In ``benchmarks.peers``.
    needs_redis
        Whether Redis stands beside it; else its second port is its own.
    batch
        Whether it learns when it is rebuilt, and not before.
    """

    name: str
    module: str
    needs_redis: bool = False
    batch: bool = False

    @property
    def missing(self) -> str:
        """What this machine lacks for it, and how to get it; empty when it lacks nothing."""
        if self.needs_redis and shutil.which(REDIS) is None:
            return "redis-server is not installed (Debian: apt install redis-server)"
        return ""


ALTERNATIVES: Final = (
    Kind("Flask + River", "river_app"),
    Kind("Flask + VW daemon", "vw_app"),
    Kind("Flask + Redis, implicit each minute", "batch_app", needs_redis=True, batch=True),
)


class Alternative:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def recommend(self, user: str, n: int = 10) -> list[str]:
        """Ask for a list."""
        found = self._post("/v1/recommend", {"user_id": user, "n": n})
        return [one["item_id"] for one in found["items"]]

    def learn(self, clicks: Sequence[tuple[str, str]]) -> None:
        """Send clicks, each a person and an item; a thousand at a time."""
        for first in range(0, len(clicks), 1000):
            some = clicks[first : first + 1000]
            self._post("/v1/events", [{"user_id": user, "item_id": item} for user, item in some])

    def rebuild(self) -> None:
        """Have what is made in batches made anew."""
        self._post("/rebuild", {})

    def _post(self, path: str, body: object) -> Mapping[str, list[dict[str, str]]]:
        request = urllib.request.Request(
            f"{self.url}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
            found: Mapping[str, list[dict[str, str]]] = json.load(answer)
            return found


@contextmanager
def environment(given: Path | None, say: Callable[[str], None]) -> Iterator[Path]:
    """Yield the Python of an environment with what the alternatives need.

    Parameters
    ----------
    given
        A virtual environment that has it; without, one is made and goes.

    Raises
    ------
    RuntimeError
        When it cannot be made; the message ends with what pip said.
    """
    if given is not None:
        python = given / "bin" / "python"
        if not python.exists():
            message = f"{given} is no virtual environment: there is no {python}"
            raise RuntimeError(message)
        yield python.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="bench-recsys-venv-") as name:
        say("what the alternatives need is installed into an environment that goes ...")
        python = Path(name) / "bin" / "python"
        for command in (
            [sys.executable, "-m", "venv", name],
            [str(python), "-m", "pip", "install", "-q", "-r", str(_REQUIREMENTS)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                message = f"{' '.join(command)} failed:\n{done.stderr or done.stdout}"
                raise RuntimeError(message)
        yield python


@contextmanager
def running(kind: Kind, python: Path, folder: Path) -> Iterator[Alternative]:
    """Run one; its processes end with the block.

    Raises
    ------
    RuntimeError
        When it does not start; the message ends with what it said.
    """
    port, second = free_port(), free_port()
    output = folder / f"{kind.module}.log"
    started = list[subprocess.Popen[bytes]]()
    try:
        with output.open("wb") as file:
            if kind.needs_redis:
                options = ["--port", str(second), "--bind", "127.0.0.1", "--dir", str(folder)]
                options += ["--save", "", "--appendonly", "no"]
                started.append(_start([REDIS, *options], file.fileno()))
            command = [str(python), "-m", f"benchmarks.peers.{kind.module}", str(port), str(second)]
            started.append(_start(command, file.fileno()))
        one = Alternative(f"http://127.0.0.1:{port}")
        _wait(one, started, output)
        yield one
    finally:
        for process in reversed(started):
            # Whatever it has started itself is in its group, also when it has ended.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _start(command: Sequence[str], output: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        cwd=_ROOT,
        stdout=output,
        stderr=output,
        start_new_session=True,
        # Threads of BLAS beside those of implicit make it many times slower, as it says itself.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )


def _wait(one: Alternative, started: Sequence["subprocess.Popen[bytes]"], output: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            one.rebuild()
        except (urllib.error.URLError, ConnectionError) as error:
            if any(process.poll() is not None for process in started):
                message = f"an alternative ended:\n{output.read_text(errors='replace')}"
                raise RuntimeError(message) from error
            if time.monotonic() > deadline:
                message = f"an alternative does not answer:\n{output.read_text(errors='replace')}"
                raise RuntimeError(message) from error
            time.sleep(0.1)
        else:
            return
