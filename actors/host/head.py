"""Ray's head: the two processes without which a cluster of one machine cannot go on.

Nothing brings them back. For a minute all else serves on, and then Ray ends every process without a
word, the one that the operator looks at first.
"""

from pathlib import Path
from typing import Final

from actors.host.processes import Process, alive, marked

__all__ = ["Head"]

_PROC: Final = Path("/proc")
_NAMES: Final = ("gcs_server", "raylet")


class Head:
    """The head of one run, once Ray has started.

    Parameters
    ----------
    folder
        Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._processes = {
            name: process for process in marked(folder) if (name := _name_of(process)) in _NAMES
        }

    @property
    def names(self) -> set[str]:
        """What was found of it."""
        return set(self._processes)

    def missing(self) -> str:
        """Return the name of a process that has ended, empty while all run."""
        return next((name for name, one in self._processes.items() if not alive(one)), "")


def _name_of(process: Process) -> str:
    try:
        return (_PROC / str(process.pid) / "comm").read_text().strip()
    except OSError:
        return ""  # it has ended
