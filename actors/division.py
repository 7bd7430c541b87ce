"""Divides the users of a data directory anew: another number of shards, by moving partitions.

::

    the goal is written down        from here on no server starts before it is reached
    new shards are copies           of an old one each, which know its items and forget its people
    partition by partition moves    people and all (``recsys.moving``), then the layout says so
    shards that own nothing retire  their folders stay beside the others: their logs are there

Broken off anywhere, the same call goes on. The caller owns the data directory.
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final, Self

import msgspec

from actors.errors import StartupError
from actors.kafka.base import Partition
from actors.kafka.positions import mark_name
from actors.layout import DataFolder, shard_folder
from actors.settings import ServerSettings
from actors.shard_map import ShardMap, rebalanced
from recsys.durable import sync_folder
from recsys.engine import Engine
from recsys.errors import StoreError
from recsys.moving.move import forget, has_moved, move
from recsys.settings import EngineSettings
from recsys.store.sqlite_copy import adopt, copy_closed

__all__ = ["Divided", "divide"]

_STORE: Final = "log.sqlite"
_KEY: Final = "key"

Progress = Callable[[int, int], None]
"""Told how many partitions have moved, and how many are to."""


class Divided(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes
    ----------
    before, after
        How many partitions each shard owned, and owns.
    moved
        Partitions, by this call.
    """

    before: list[int]
    after: list[int]
    moved: int


def divide(
    folder: DataFolder, settings: ServerSettings, shards: int, progress: Progress
) -> Divided:
    """Divide the users into so many shards.

    Parameters
    ----------
    folder
        Opened with ``dividing``.

    Raises
    ------
    StartupError
        When another division was broken off, or there are fewer partitions than shards.
    RecsysError
        When a shard cannot be opened or written; the same call goes on.
    """
    before = folder.shard_map
    goal = _goal(folder, shards)
    known = max(folder.shards, shards)
    data_dir = settings.shards.data_dir
    for shard in range(folder.shards, shards):
        if not shard_folder(data_dir, shard).exists():
            folder.advance()
            donor = _donor(before, goal, shard)
            _make(data_dir, shard, donor, folder.shard_map, settings.engine)
    waiting = [
        (partition, owner, goal[partition])
        for partition, owner in enumerate(before.owners)
        if owner != goal[partition]
    ]
    progress(0, len(waiting))
    with _Open(data_dir, settings.engine) as engines:
        for done, (partition, old, new) in enumerate(waiting, start=1):
            if not has_moved(engines[old], engines[new], partition):
                # Written down first: an attempt after a crash must be a later one.
                folder.advance()
                move(engines[old], engines[new], partition, before.partitions, folder.epoch)
            _hand_over(engines[old], engines[new], partition, settings)
            folder.assign(partition, new)
            progress(done, len(waiting))
    folder.end_division(shards)
    for shard in range(shards, known):
        if (retiring := shard_folder(data_dir, shard)).exists():
            retiring.rename(data_dir / f"retired-{retiring.name}-epoch-{folder.epoch}")
    after = folder.shard_map
    return Divided(
        [len(before.owned_by(shard)) for shard in range(known)],
        [len(after.owned_by(shard)) for shard in range(shards)],
        len(waiting),
    )


def _goal(folder: DataFolder, shards: int) -> tuple[int, ...]:
    """Return who is to own what, written down before anything moves."""
    if not folder.goal:
        try:
            goal = rebalanced(folder.shard_map.owners, shards)
        except ValueError as error:
            raise StartupError(str(error)) from error
        folder.begin_division(goal)
    wanted = max(folder.goal) + 1
    if wanted != shards:
        message = f"a division into {wanted} shards was broken off; end that one first"
        raise StartupError(message)
    return folder.goal


def _donor(now: ShardMap, goal: tuple[int, ...], shard: int) -> int:
    """Return the shard that gives another the most."""
    gives = [now.owners[partition] for partition, owner in enumerate(goal) if owner == shard]
    return max(sorted(set(gives)), key=gives.count)


def _make(data_dir: Path, shard: int, donor: int, now: ShardMap, settings: EngineSettings) -> None:
    """Make a shard that knows what another one knows of items, and nobody."""
    fresh = data_dir / f"new-shard-{shard}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    source = shard_folder(data_dir, donor)
    copy_closed(source / _STORE, fresh / _STORE)
    try:
        shutil.copyfile(source / _KEY, fresh / _KEY)
        (fresh / _KEY).chmod(0o600)
    except OSError as error:
        detail = f"{source / _KEY} cannot be copied for shard {shard}: {error}"
        raise StoreError(detail) from error
    adopt(fresh / _STORE, other=True)
    with closing(Engine.open(fresh, settings)) as engine:
        for partition, owner in enumerate(now.owners):
            if owner == donor:
                forget(engine, partition, now.partitions, now.epoch)
        engine.snapshot()
    fresh.rename(shard_folder(data_dir, shard))
    sync_folder(data_dir)


def _hand_over(old: Engine, new: Engine, partition: int, settings: ServerSettings) -> None:
    """Tell the new owner where to go on in the partition of the same number in Kafka."""
    feedback = Partition(settings.kafka.topics.feedback, partition)
    names = {feedback.name, mark_name(feedback)}
    positions = {name: at for name, at in old.store.positions().items() if name in names}
    new.append([], positions)


class _Open:
    """The engines of a data directory, opened when they are wanted."""

    def __init__(self, data_dir: Path, settings: EngineSettings) -> None:
        self._data_dir = data_dir
        self._settings = settings
        self._engines = dict[int, Engine]()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                for engine in self._engines.values():
                    engine.snapshot()
        finally:
            self._stack.close()

    def __getitem__(self, shard: int) -> Engine:
        if shard not in self._engines:
            engine = Engine.open(shard_folder(self._data_dir, shard), self._settings)
            self._engines[shard] = self._stack.enter_context(closing(engine))
        return self._engines[shard]
