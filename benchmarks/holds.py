"""Keeps a process from working, or from writing, for a while; and tries to get at what it owns."""

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from actors.host.processes import Process
from benchmarks.intruder import REFUSED

__all__ = ["full", "refused", "stopped"]

_ROOT: Final = Path(__file__).parents[1]
_STILL_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.005
_NOTHING: Final = 4096
"""Bytes to which files may grow where nothing may be written: less than a page of a log."""


@contextmanager
def stopped(process: Process) -> Iterator[None]:
    """Stop a process within the block, in the middle of whatever it does.

    Raises
    ------
    TimeoutError
        When it does not stop.
    """
    os.kill(process.pid, signal.SIGSTOP)
    try:
        _wait_until_still(process)
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def _wait_until_still(process: Process) -> None:
    """Wait until each thread has stopped, which takes it no longer than its system call."""
    deadline_s = time.monotonic() + _STILL_S
    threads = Path(f"/proc/{process.pid}/task")
    while any(_state(thread) != "T" for thread in threads.iterdir()):
        if time.monotonic() > deadline_s:
            message = f"process {process.pid} does not stop"
            raise TimeoutError(message)
        time.sleep(_LOOK_EVERY_S)


def _state(thread: Path) -> str:
    # The name in brackets may hold anything, brackets too.
    return (thread / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]


@contextmanager
def full(process: Process) -> Iterator[None]:
    """Let a process write nothing within the block, as if its quota were reached."""
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_NOTHING, hard))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (soft, hard))


async def refused(log: Path) -> bool:
    """Return whether a second process is refused the log of a shard."""
    intruder = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.intruder", str(log),
        cwd=_ROOT, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await intruder.wait() == REFUSED
