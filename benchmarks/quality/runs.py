"""Runs that are done, in a file that grows by a line each: a long table goes on where it stopped.

Several processes may share a file; each sees what the others did before it began.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import typer

__all__ = ["Key", "Run", "Runs"]


class Key(msgspec.Struct, frozen=True):
    """What decides the figures of a run, but for the code.

    Attributes
    ----------
    size
        How much of the set was used.
    settings
        Digest of the variant's settings.
    """

    variant: str
    set: str
    seed: int
    size: int
    settings: str


class Run(msgspec.Struct, frozen=True):
    """One line of the file."""

    key: Key
    figures: Mapping[str, float]
    seconds: float


class Runs:
    """The runs of a file, or of this process alone.

    Parameters
    ----------
    path
        Read if it is there, and appended to; ``None`` keeps the runs in memory.

    Raises
    ------
    typer.BadParameter
        When a line is no run.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._done = dict[Key, Run]()
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        text = path.read_bytes()
        lines = text.split(b"\n")
        if torn := lines.pop():
            # Whoever wrote it was interrupted: the run was not done.
            with path.open("r+b") as file:
                file.truncate(len(text) - len(torn))
        for number, line in enumerate(lines, start=1):
            try:
                run = msgspec.json.decode(line, type=Run)
            except msgspec.MsgspecError as error:
                message = f"{path}, line {number}: no run of an ablation: {error}"
                raise typer.BadParameter(message) from error
            self._done[run.key] = run

    def get(self, key: Key) -> Run | None:
        """Return a run that is done, ``None`` for one that is not."""
        return self._done.get(key)

    def add(self, run: Run) -> None:
        """Keep a run."""
        self._done[run.key] = run
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(run) + b"\n")
