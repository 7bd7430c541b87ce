"""A server that has learned a history, and the rest of it to be sent while it is measured.

The history is moved in time, so that it ends now: what fades, fades as if its people had just left.
It is learned by ``recsys train``, as an operator would have it learned.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.server import RECSYS, Server, hear_signals, own_server
from recsys.client import NewFeedback
from recsys.client.calls import recommend
from recsys.clock import now_ms
from recsys.datasets import Interaction, act_of, items_file, read_interactions

__all__ = ["LIST", "Live", "Warm", "question", "split", "train", "warm_server"]

LIST: Final = 10
"""Items per list."""

_SHARE: Final = 0.9
"""Of a data set that is learned before, unless somebody says how much."""
_CLICK_AT: Final = 5.0
_PAUSE_MS: Final = 60_000


class Live:
    """What is still to happen: each event once, stamped by the server when it comes.

    Attributes
    ----------
    rows
        All of it, what has happened meanwhile included.
    """

    def __init__(self, rows: Sequence[Interaction]) -> None:
        self.rows = rows
        self._place = 0

    @property
    def people(self) -> set[str]:
        """Who does it."""
        return {row.user for row in self.rows}

    @property
    def left(self) -> int:
        """How much."""
        return len(self.rows) - self._place

    def take(self, n: int) -> list[NewFeedback]:
        """Return the next events.

        Raises
        ------
        RuntimeError
            When there are not that many; says what to change.
        """
        if n > self.left:
            message = (
                f"{n:,} events are wanted and {self.left:,} are left of the data: shorten the run "
                "or let less be learned before (--history)"
            )
            raise RuntimeError(message)
        rows = self.rows[self._place : self._place + n]
        self._place += n
        return [_feedback(row) for row in rows]


class Warm:
    """A server with a history.

    Attributes
    ----------
    people
        Who has one, and does nothing of what is still to happen.
    live
        The rest of the data.
    learned
        Events.
    """

    def __init__(self, server: Server, people: Sequence[str], live: Live, learned: int) -> None:
        self.server = server
        self.url = server.url
        self.people = people
        self.live = live
        self.learned = learned


def question(user_id: str, n: int = LIST) -> bytes:
    """Return the body that asks for somebody's list."""
    call = recommend(user_id, n=n, context={}, candidates=None, exclude=(), arm=None)
    return call.body or b""


def _feedback(row: Interaction) -> NewFeedback:
    act = act_of(row, _CLICK_AT)
    return NewFeedback(type=act.type, user_id=row.user, item_id=row.item, value=act.value)


def split(data: Path, folder: Path, history: int | None) -> tuple[list[Interaction], Live]:
    """Write the first part of a data set into a folder, ending now; return both parts.

    Raises
    ------
    InvalidDataset
        When it cannot be read.
    RuntimeError
        When there is nothing left of it.
    """
    rows = read_interactions(data)
    n = round(len(rows) * _SHARE) if history is None else history
    past, rest = rows[:n], rows[n:]
    if not past or not rest:
        message = f"{data} has {len(rows):,} events: {n:,} cannot be learned before, and some after"
        raise RuntimeError(message)
    moved_ms = now_ms() - _PAUSE_MS - past[-1].ts_ms
    with (folder / "ratings.csv").open("w") as file:
        file.write("user,item,rating,timestamp\n")
        file.writelines(
            f"{row.user},{row.item},{row.rating},{(row.ts_ms + moved_ms) / 1000.0:.3f}\n"
            for row in past
        )
    if data.is_dir() and (items := items_file(data)) is not None:
        shutil.copy(items, folder / items.name)
    return past, Live(rest)


def train(history: Path, data_dir: Path) -> None:
    """Have ``recsys train`` learn a history; its processes end with us.

    Raises
    ------
    RuntimeError
        When it fails; the message ends with what it said.
    """
    command = [*RECSYS, "train", "--from", str(history), "--data-dir", str(data_dir)]
    output = history / "output"
    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        status = process.wait()
    except BaseException:
        # It and its shards: what they have learned goes with the folder.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if status:
        message = f"the history was not learned:\n{output.read_text(errors='replace')}"
        raise RuntimeError(message)


def _learned(data: Path, folder: Path, history: int | None) -> tuple[list[Interaction], Live]:
    """Learn into ``folder/data``, unless that was done before; return both parts of the data."""
    done = folder / "data" / "layout.json"
    if done.exists():
        with (folder / "ratings.csv").open() as file:
            known = sum(1 for _ in file) - 1
        if history not in {None, known}:
            message = f"{folder} has learned {known:,} events, not {history:,}: name another folder"
            raise RuntimeError(message)
        rows = read_interactions(data)
        return rows[:known], Live(rows[known:])
    past, live = split(data, folder, history)
    # Whoever was interrupted has left a part, which nobody shall take for all of it.
    part = folder / "part"
    shutil.rmtree(part, ignore_errors=True)
    train(folder, part)
    part.rename(folder / "data")
    return past, live


@contextmanager
def warm_server(
    data: Path,
    engine: Mapping[str, object] | None = None,
    *,
    history: int | None = None,
    keep: Path | None = None,
) -> Iterator[Warm]:
    """Run a server that has learned the beginning of a data set; nothing of it is left after.

    Parameters
    ----------
    data
        A MovieLens folder, or a file of its kind.
    engine
        Settings that are not the default ones.
    history
        Events that are learned before; nine tenths without.
    keep
        A folder that what was learned of the history stays in, and that it is taken from if it is
        there.

    Raises
    ------
    RuntimeError
        When it does not start; the message ends with what it said.
    """
    hear_signals()
    with tempfile.TemporaryDirectory(prefix="bench-recsys-") as name:
        folder = Path(name) if keep is None else keep
        folder.mkdir(exist_ok=True)
        past, live = _learned(data, folder, history)
        with own_server(engine or {}, data=folder / "data") as server:
            people = sorted({row.user for row in past} - live.people)
            yield Warm(server, people, live, len(past))
