"""So many patient clients, each of which asks again when it has its answer: a closed loop.

By wrk where it is installed, else by a generator of our own, which takes more of the processor and
says so. A server that gets slower is asked less: these latencies are those of so many clients, not
of a rate (``benchmarks.open_loop`` has those).
"""

import asyncio
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Final, Protocol

import msgspec

from benchmarks.child import in_child
from benchmarks.connection import Address, Answer, Connection, request_of
from benchmarks.figures import quantile
from recsys.client.calls import Call

__all__ = ["Closed", "Loader", "loader", "own"]

_SCRIPT: Final = Path(__file__).with_name("posts.lua")
_SLACK_S: Final = 60.0
INSTALL: Final = "wrk is not installed (Debian: apt install wrk)"


class Closed(msgspec.Struct, frozen=True):
    """What the clients saw.

    Attributes
    ----------
    rps
        Good answers a second.
    cpu_share
        Of one processor, taken by the clients.
    errors
        By their kind.
    """

    clients: int
    rps: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_share: float
    errors: dict[str, int]


class Loader(Protocol):
    """Puts that load on a path.

    Parameters
    ----------
    bodies
        Posted in turn; none with a line end in it.

    Raises
    ------
    RuntimeError
        When nothing was answered.
    """

    def __call__(
        self, url: str, path: str, bodies: Sequence[bytes], *, clients: int, seconds: float
    ) -> Closed:
        """Load it for so long."""
        ...


class _Told(msgspec.Struct):
    """The last line of the script."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: int
    unreached: int
    broken: int
    late: int


def loader(folder: Path) -> tuple[Loader, str]:
    """Return the best there is, and what it is.

    Parameters
    ----------
    folder
        For a file with the bodies.
    """
    if shutil.which("wrk"):
        return _Wrk(folder), "wrk"
    return own, f"the benchmark's own clients: {INSTALL}"


class _Wrk:
    """wrk with a script."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "bodies"
        self._runs = 0

    def __call__(
        self, url: str, path: str, bodies: Sequence[bytes], *, clients: int, seconds: float
    ) -> Closed:
        self._file.write_bytes(b"\n".join(bodies) + b"\n")
        self._runs += 1
        command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        command += ["-s", str(_SCRIPT), url, "--", path, str(self._file), str(self._runs)]
        before_s = _children_s()
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds + _SLACK_S, check=True
            )
        except subprocess.CalledProcessError as error:
            message = f"wrk failed: {(error.stderr or error.stdout).strip()}"
            raise RuntimeError(message) from error
        told = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=_Told)
        if told.requests == 0:
            message = f"{url}{path} answered none of {clients} clients within {seconds:g} s"
            raise RuntimeError(message)
        errors = {
            "refused": told.refused,
            "unreached": told.unreached,
            "broken": told.broken,
            "no answer": told.late,
        }
        return Closed(
            clients,
            (told.requests - told.refused) / told.seconds,
            told.p50_ms,
            told.p99_ms,
            told.max_ms,
            round((_children_s() - before_s) / told.seconds, 3),
            {name: count for name, count in errors.items() if count},
        )


def _children_s() -> float:
    """Return the processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Clients:
    """The same in an event loop."""

    def __init__(self, address: Address, requests: Sequence[bytes]) -> None:
        self._address = address
        self._requests = requests
        self._place = 0
        self._until_s = 0.0
        self.latencies_ms = list[float]()
        self.errors = Counter[str]()

    async def run(self, clients: int, seconds: float) -> None:
        connections = [await Connection.to(self._address) for _ in range(clients)]
        self._until_s = perf_counter() + seconds
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(self._ask(connection))

    async def _ask(self, connection: Connection) -> None:
        while (sent_s := perf_counter()) < self._until_s:
            if not connection.open:
                connection = await Connection.to(self._address)
            self._place = (self._place + 1) % len(self._requests)
            answer = await connection.ask(self._requests[self._place])
            self._count(answer, sent_s)
        connection.close()

    def _count(self, answer: Answer, sent_s: float) -> None:
        if answer.good:
            self.latencies_ms.append((perf_counter() - sent_s) * 1000.0)
        else:
            self.errors[answer.fault] += 1


def _clients(url: str, requests: Sequence[bytes], clients: int, seconds: float) -> Closed:
    crowd = _Clients(Address.of(url), requests)
    began_s, used_s = perf_counter(), process_time()
    asyncio.run(crowd.run(clients, seconds))
    took_s = perf_counter() - began_s
    found = crowd.latencies_ms
    if not found:
        message = f"none of {clients} clients was answered within {seconds:g} s"
        raise RuntimeError(message)
    return Closed(
        clients,
        len(found) / took_s,
        quantile(found, 0.5),
        quantile(found, 0.99),
        max(found),
        round((process_time() - used_s) / took_s, 3),
        dict(crowd.errors),
    )


def own(url: str, path: str, bodies: Sequence[bytes], *, clients: int, seconds: float) -> Closed:
    """Load a path without wrk, from a process of its own."""
    requests = [request_of(url, Call("POST", path, object, body)) for body in bodies]
    return in_child(_clients, url, requests, clients, seconds)
