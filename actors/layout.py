"""The data directory: who may use it, and for how many shards and partitions it was made.

::

    data/
    ├── layout.json       how users are divided: who owns which partition, and since which epoch
    ├── lock              held by the supervisor of the running server
    └── shard-0/          what Engine.open keeps for shard 0
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from actors.errors import StartupError
from actors.settings import ShardSettings
from actors.shard_map import Moving, ShardMap
from recsys.durable import replace_file

__all__ = ["DataFolder", "Layout", "existing", "layout_of", "read_shard_map", "shard_folder"]

_FORMAT: Final = 2
"""Format 1 had no owners: partitions were dealt out in turn. It is read, and written as this."""


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the users of a directory are divided.

    Attributes
    ----------
    shards
        Whose folders there are.
    owners
        See ``ShardMap``; nobody's in format 1.
    goal
        The owners that a division of the users is to have which was begun and has not ended.
    moving
        See ``ShardMap``.
    """

    format: int
    shards: int
    partitions: int
    epoch: int
    owners: tuple[int, ...] = ()
    goal: tuple[int, ...] = ()
    moving: Moving | None = None

    @property
    def shard_map(self) -> ShardMap:
        """Who owns what."""
        return ShardMap(self.epoch, self.owners, self.moving)


def read_shard_map(settings: ShardSettings) -> ShardMap:
    """Return who owns what in a data directory, whoever may be using it.

    Raises
    ------
    StartupError
        When its layout cannot be read.
    """
    return layout_of(settings.data_dir).shard_map


def layout_of(data_dir: Path) -> Layout:
    """Return what a directory was made for.

    Raises
    ------
    StartupError
        When that cannot be read, is damaged, or of another version.
    """
    return _read_layout(data_dir / "layout.json")


def _read_layout(path: Path) -> Layout:
    try:
        layout = msgspec.json.decode(path.read_bytes(), type=Layout)
    except OSError as error:
        raise _unusable(path.parent, f"{path.name}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        message = f"{path} is damaged ({error}); restore it from a copy of the directory"
        raise StartupError(message) from error
    if layout.format == 1:
        first = ShardMap.dealt_out(layout.shards, layout.partitions)
        return msgspec.structs.replace(layout, format=_FORMAT, owners=first.owners)
    if layout.format != _FORMAT:
        message = (
            f"{path.parent} has layout format {layout.format}, this version reads 1 to {_FORMAT}"
        )
        raise StartupError(message)
    if len(layout.owners) != layout.partitions or len(layout.goal) not in {0, layout.partitions}:
        message = f"{path} is damaged (it has not one owner for each partition); restore it"
        raise StartupError(message)
    return layout


def shard_folder(data_dir: Path, index: int) -> Path:
    """Return where one shard keeps its store."""
    return data_dir / f"shard-{index}"


class DataFolder:
    """A data directory that this process owns until ``release`` or its end.

    Parameters
    ----------
    settings
        The layout must be the one that the directory was made for.
    dividing
        Whether the number of shards may be another, and a division that was broken off is no
        hindrance: this process is about to end it.
    serving
        Whether this process opens the shards and ends a move that was broken off.

    Raises
    ------
    StartupError
        When another server uses the directory, when it cannot be written, or when it was made for
        another number of shards or partitions.
    """

    def __init__(
        self, settings: ShardSettings, *, dividing: bool = False, serving: bool = False
    ) -> None:
        self._path = settings.data_dir
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            why = "it is a file" if isinstance(error, FileExistsError) else error.strerror
            raise _unusable(self._path, why) from error
        try:
            self._take_lock()
            self._layout = self._read(settings, dividing=dividing)
            if self._layout.moving is not None and not serving:
                raise _undecided(self._path, self._layout.moving)
        except BaseException:
            self.release()
            raise

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            message = (
                f"the data directory {self._path} is in use by another recsys (process {owner}); "
                "stop it or choose another with --data-dir"
            )
            raise StartupError(message) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _read(self, settings: ShardSettings, *, dividing: bool) -> Layout:
        path = self._path / "layout.json"
        if not path.exists():
            first = ShardMap.dealt_out(settings.count, settings.partitions)
            layout = Layout(_FORMAT, settings.count, settings.partitions, 0, first.owners)
            try:
                replace_file(path, msgspec.json.encode(layout))
            except OSError as error:
                raise _unusable(self._path, f"{path.name}: {error.strerror}") from error
            return layout
        layout = _read_layout(path)
        shards = settings.count if dividing else layout.shards
        if (shards, layout.partitions) != (settings.count, settings.partitions):
            message = (
                f"the data directory {self._path} was made for {layout.shards} shards and "
                f"{layout.partitions} partitions, the settings say {settings.count} and "
                f"{settings.partitions}; set shards.count and shards.partitions back, or divide "
                "the users anew with `recsys reshard` (the number of partitions stays for ever), "
                "or choose another directory with --data-dir"
            )
            raise StartupError(message)
        if layout.goal and not dividing:
            wanted = max(layout.goal) + 1
            message = (
                f"{self._path}: a division of the users into {wanted} shards was broken off; end "
                f"it with `recsys reshard --shards {wanted}` first"
            )
            raise StartupError(message)
        return layout

    @property
    def shards(self) -> int:
        """How many shards have a folder."""
        return self._layout.shards

    @property
    def epoch(self) -> int:
        """The epoch of the shard map; it never goes back."""
        return self._layout.epoch

    @property
    def shard_map(self) -> ShardMap:
        """Who owns what."""
        return self._layout.shard_map

    @property
    def goal(self) -> tuple[int, ...]:
        """Who is to own what when a division that was begun has ended; nobody before."""
        return self._layout.goal

    def advance(self) -> None:
        """Begin a new epoch of the shard map.

        Raises
        ------
        StartupError
            When it cannot be written; the epoch is then the old one.
        """
        self._change(epoch=self._layout.epoch + 1)

    def begin_move(self, partition: int, new: int) -> Moving:
        """Write down that a partition is about to move; raises as ``advance``."""
        epoch = self._layout.epoch + 1
        moving = Moving(partition, self._layout.owners[partition], new, epoch)
        self._change(epoch=epoch, moving=moving)
        return moving

    def end_move(self, owner: int) -> None:
        """Write down who owns the partition that was moving; raises as ``advance``."""
        moving = self._layout.moving
        if moving is None:
            message = "no partition is moving"
            raise RuntimeError(message)
        owners = list(self._layout.owners)
        owners[moving.partition] = owner
        self._change(epoch=self._layout.epoch + 1, owners=tuple(owners), moving=None)

    def begin_division(self, goal: tuple[int, ...]) -> None:
        """Write down who is to own what; raises as ``advance``."""
        self._change(goal=goal)

    def assign(self, partition: int, shard: int) -> None:
        """Give a partition to a shard, which holds its people already; raises as ``advance``."""
        owners = list(self._layout.owners)
        owners[partition] = shard
        self._change(owners=tuple(owners))

    def end_division(self, shards: int) -> None:
        """Write down that all own what they are to, in so many shards; raises as ``advance``."""
        self._change(goal=(), shards=shards, epoch=self._layout.epoch + 1)

    def _change(self, **changes: int | tuple[int, ...] | Moving | None) -> None:
        path = self._path / "layout.json"
        layout = msgspec.structs.replace(self._layout, **changes)
        try:
            replace_file(path, msgspec.json.encode(layout))
        except OSError as error:
            raise _unusable(self._path, f"{path.name}: {error.strerror}") from error
        self._layout = layout

    def release(self) -> None:
        """Let another process use the directory. A second call is fine."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


@contextmanager
def existing(data_dir: Path) -> Iterator[Layout]:
    """Hold a directory that has been made, whatever it was made for.

    Raises
    ------
    StartupError
        When there is none, or when a server uses it.
    """
    path = data_dir / "layout.json"
    if not path.exists():
        message = f"{data_dir} holds no shards; `recsys serve` and `recsys train` make some"
        raise StartupError(message)
    layout = _read_layout(path)
    folder = DataFolder(
        ShardSettings(count=layout.shards, partitions=layout.partitions, data_dir=data_dir),
        dividing=True,
        serving=True,
    )
    try:
        yield layout
    finally:
        folder.release()


def _unusable(path: Path, why: str | None) -> StartupError:
    """Return a complaint about the directory, to be raised."""
    message = f"the data directory {path} cannot be used: {why}; choose another with --data-dir"
    return StartupError(message)


def _undecided(path: Path, moving: Moving) -> StartupError:
    """Return a complaint about a move of which nobody knows how it ended, to be raised."""
    message = (
        f"{path}: the move of partition {moving.partition} from shard {moving.old} to shard "
        f"{moving.new} was broken off; start the server once, which ends it"
    )
    return StartupError(message)
