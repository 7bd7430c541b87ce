"""Finds and ends processes of ours and no others: those that bear our mark.

The mark is an environment variable, or a file of the run that is open: Ray's workers and agents
lose their parents, rename themselves, and thereby write over a part of their environment.

Reads ``/proc``; elsewhere than on Linux nothing is found, and Ray's own clean-up has to do.
"""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["MARK", "SUPPORTED", "Process", "alive", "end", "end_marked", "find", "marked"]

MARK: Final = "RECSYS_RUN_FOLDER"
_PROC: Final = Path("/proc")
_ROUNDS: Final = 8
_LOOK_AGAIN_S: Final = 0.1
SUPPORTED: Final = _PROC.is_dir()
"""Whether anything can be found here."""


class Process(NamedTuple):
    """A process that cannot be mistaken for a later one with the same number.

    Attributes
    ----------
    started
        Ticks from the machine's start to the process's.
    """

    pid: int
    started: int


def find(pid: int) -> Process | None:
    """Return a running process; ``None`` for one that has ended, even if nobody took note yet."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name in brackets may hold anything, brackets too.
    fields = text[text.rindex(")") + 2 :].split()
    if fields[0] in "ZX":
        return None
    return Process(pid, started=int(fields[19]))


def alive(process: Process) -> bool:
    """Return whether this very process still runs."""
    return find(process.pid) == process


def _everyone() -> list[Process]:
    if not SUPPORTED:
        return []
    found = (find(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [process for process in found if process is not None]


def marked(folder: Path) -> list[Process]:
    """Return the processes, this one excepted, that belong to the run of a folder."""
    return [
        process
        for process in _everyone()
        if process.pid != os.getpid() and _belongs(_PROC / str(process.pid), folder)
    ]


def _belongs(process: Path, folder: Path) -> bool:
    try:
        environment = b"\0" + (process / "environ").read_bytes()
        if f"\0{MARK}={folder}\0".encode() in environment:
            return True
        return any(_leads_into(link, folder) for link in (process / "fd").iterdir())
    except OSError:
        return False  # somebody else's, or it has ended


def _leads_into(link: Path, folder: Path) -> bool:
    try:
        return link.readlink().is_relative_to(folder)
    except OSError:
        return False  # closed since it was listed


def end(processes: Iterable[Process], grace_s: float) -> int:
    """Wait for processes to end; then ask them to; then make them.

    Parameters
    ----------
    grace_s
        Given before the first and before the second step.

    Returns
    -------
    int
        How many had to be asked.
    """
    left = _wait(list(processes), grace_s)
    asked = len(left)
    for step in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            if alive(process):
                _signal(process.pid, step)
        left = _wait(left, grace_s)
    return asked


def end_marked(folder: Path, grace_s: float) -> int:
    """Do as ``end`` with all processes of a run, those that begin meanwhile included."""
    asked = 0
    gone = False
    for _ in range(_ROUNDS):
        if left := marked(folder):
            gone = False
            asked += end(left, grace_s)
        elif gone:
            break
        else:
            # What just becomes another program has no environment for a moment: look again.
            gone = True
            time.sleep(_LOOK_AGAIN_S)
    return asked


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended between the look and the signal


def _wait(processes: list[Process], grace_s: float) -> list[Process]:
    deadline = time.monotonic() + grace_s
    left = [process for process in processes if alive(process)]
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [process for process in left if alive(process)]
    return left
