"""A small history in files, what each shard must be taught of it, and shards without processes."""

import os
import threading
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from typer.testing import CliRunner, Result
from typing_extensions import override

from actors.cli.main import app
from actors.layout import shard_folder
from actors.settings import ServerSettings, load_settings
from recsys.datasets import fingerprint
from recsys.engine import Engine
from recsys.events import Event, Feedback, ItemUpsert
from recsys.partition import partition_of

__all__ = [
    "FIRST_S",
    "ITEMS",
    "ROWS",
    "USERS",
    "Threads",
    "expected",
    "make_history",
    "shard",
    "train",
]

FIRST_S: Final = 1_700_000_000
USERS, ITEMS, ROWS = 7, 12, 200
_PARTITIONS: Final = 8


def make_history(folder: Path) -> ServerSettings:
    """Write ratings, the latest first, items and settings for two shards; return the settings."""
    rows = (
        f"u{number % USERS},{_item(number)},{_stars(number)},{FIRST_S + 60 * number}\n"
        for number in reversed(range(ROWS))
    )
    (folder / "ratings.csv").write_text("user,item,rating,timestamp\n" + "".join(rows))
    items = (f"i{place},{_genres(place)},{place}\n" for place in range(ITEMS))
    (folder / "goods.csv").write_text("item,genres,price\n" + "".join(items))
    config = folder / "server.yaml"
    config.write_text(
        f"shards: {{count: 2, partitions: {_PARTITIONS}, data_dir: {folder / 'data'}}}\n"
        "engine: {seed: 3, memory: {reservoir: 64}}\n"
    )
    return load_settings(config)


def _item(number: int) -> str:
    return f"i{number * number % ITEMS}"


def _stars(number: int) -> int:
    return number % 5 + 1


def _genres(place: int) -> str:
    return "crime|drama"[: 5 + 6 * (place % 2)]


def expected(folder: Path, shard: int) -> list[Event]:
    """Return what a shard must have been taught, in order, made by hand."""
    source, goods = fingerprint(folder / "ratings.csv"), fingerprint(folder / "goods.csv")
    events: list[Event] = []
    places = {f"i{place}": place for place in range(ITEMS)}
    for number in range(ROWS):
        item, ts_ms = _item(number), (FIRST_S + 60 * number) * 1000
        if item in places:
            events.append(_upsert(goods, places.pop(item), ts_ms))
        if partition_of(f"u{number % USERS}", _PARTITIONS) % 2 == shard:
            click = _stars(number) == 5
            events.append(
                Feedback(
                    event_id=f"{source}-{ROWS - number + 1}",
                    user_id=f"u{number % USERS}",
                    ts_ms=ts_ms,
                    type="click" if click else "rating",
                    item_id=item,
                    value=None if click else float(_stars(number)),
                )
            )
    last_ms = (FIRST_S + 60 * (ROWS - 1)) * 1000
    return [*events, *(_upsert(goods, place, last_ms) for place in places.values())]


def _upsert(goods: str, place: int, ts_ms: int) -> ItemUpsert:
    return ItemUpsert(
        event_id=f"{goods}-item-{place + 1}",
        ts_ms=ts_ms,
        item_id=f"i{place}",
        attributes={"genres": _genres(place).split("|"), "price": float(place)},
    )


def shard(folder: Path, index: int, data: str = "data") -> Engine:
    """Open what a shard has left in the history's folder."""
    settings = load_settings(folder / "server.yaml")
    return Engine.open(shard_folder(folder / data, index), settings.engine)


def train(folder: Path, *arguments: str, source: str = "ratings.csv") -> Result:
    """Run the command on a file of the history's folder."""
    files = ["--from", str(folder / source), "--config", str(folder / "server.yaml")]
    return CliRunner().invoke(app, ["train", *files, *arguments])


class Threads:
    """In place of a context of ``multiprocessing``: a thread starts in no time."""

    def Pipe(self) -> tuple[Connection, Connection]:
        """Return both ends."""
        return Pipe()

    def Process(
        self,
        *,
        target: Callable[..., None],
        args: Sequence[object],
        name: str,
        daemon: bool,
    ) -> "_Thread":
        """Return a thread with the face of a process."""
        return _Thread(target=target, args=args, name=name, daemon=daemon)


class _Thread(threading.Thread):
    exitcode: int | None = None

    def __init__(
        self, *, target: Callable[..., None], args: Sequence[object], name: str, daemon: bool
    ) -> None:
        *others, pipe = args
        assert isinstance(pipe, Connection)
        # A process has its own end of the pipe; the caller closes this one.
        own = Connection(os.dup(pipe.fileno()))

        def run() -> None:
            with own:
                target(*others, own)

        super().__init__(target=run, name=name, daemon=daemon)

    def kill(self) -> None:
        """Hope: nobody can kill a thread."""

    @override
    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        self.exitcode = 0
