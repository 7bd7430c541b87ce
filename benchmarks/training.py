"""What learning a history costs per event, and which part of it goes where.

One shard learns everything in this process, so that all of it can be watched; ``recsys train``
gives each shard a process, and the reading one more. Processor time, not time that passes: what
else runs on the machine does not count, and neither does waiting for the disk.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import process_time
from typing import Annotated, Final

import msgspec
import typer
from typing_extensions import override

from actors.cli.history import Source, read_history
from actors.settings import ServerSettings, ShardSettings
from actors.shard_map import ShardMap
from actors.training.history import decode_batch
from actors.training.teacher import Teacher, prepare_process
from benchmarks.report import JsonOption, check_writable, run, show, write
from recsys.engine import Engine
from recsys.events import Event
from recsys.settings import EngineSettings
from recsys.store.base import Append

__all__ = ["Costs", "main", "measure"]

_DATA: Final = Path(os.environ.get("RECSYS_DATA", "")) / "ml-100k"
_ALL: Final = "in all"


class Costs(msgspec.Struct, frozen=True):
    """Processor seconds by part, in the order of an event's way."""

    events: int
    seconds: dict[str, float]

    def rows(self) -> dict[str, str]:
        """Return them per event and as shares."""
        total = sum(self.seconds.values())
        return {
            name: f"{1e6 * part / self.events:6.1f} us an event, {100 * part / total:5.1f} %"
            for name, part in {**self.seconds, _ALL: total}.items()
        } | {"events a second of one core": f"{self.events / total:,.0f}"}


class _Watch:
    """Adds up processor time by what it is spent for."""

    def __init__(self) -> None:
        self.seconds = dict[str, float]()

    @contextmanager
    def over(self, name: str) -> Iterator[None]:
        """Count the block for ``name``."""
        before = process_time()
        try:
            yield
        finally:
            spent = process_time() - before
            self.seconds[name] = self.seconds.get(name, 0.0) + spent


class _Watched(Engine):
    """An engine whose steps are counted."""

    watch: _Watch

    @override
    def check(self, events: Sequence[Event], pointer: str = "") -> None:
        with self.watch.over("check"):
            super().check(events, pointer)

    @override
    def append(
        self, events: Sequence[Event], positions: Mapping[str, int] | None = None
    ) -> list[Append]:
        with self.watch.over("append, a commit each 4,000"):
            return super().append(events, positions)

    @override
    def fold(self, events: Sequence[Event], appends: Sequence[Append]) -> None:
        with self.watch.over("fold"):
            super().fold(events, appends)

    @override
    def snapshot(self) -> None:
        with self.watch.over("snapshots"):
            super().snapshot()


def measure(data: Path, engine: EngineSettings) -> Costs:
    """Learn a file or a folder into a directory that goes with it."""
    settings = ServerSettings(shards=ShardSettings(count=1), engine=engine)
    watch = _Watch()
    with watch.over("read and check the file"):
        history = read_history(Source(data), settings)
    with watch.over("divide and encode"):
        (lessons,) = history.divide(ShardMap.dealt_out(1, settings.shards.partitions), 1)
        batches = list(lessons.batches())
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(_Watched.open(folder, settings.engine)) as watched,
    ):
        watched.watch = watch
        teacher = Teacher(watched)
        for batch in batches:
            with watch.over("decode"):
                events = decode_batch(batch)
            teacher.teach(events)
        teacher.finish()
    return Costs(len(history.interactions), watch.seconds)


def main(
    *,
    data: Annotated[Path, typer.Option(help="A history; by default RECSYS_DATA/ml-100k.")] = _DATA,
    json_file: JsonOption = None,
) -> None:
    """Measure what learning a history costs."""
    check_writable(json_file)
    prepare_process()
    costs = measure(data, EngineSettings())
    show(f"{data.name}: {costs.events:,} events, one shard", costs.rows())
    write(json_file, "training", {"data": data.name}, costs)


if __name__ == "__main__":
    run(main)
