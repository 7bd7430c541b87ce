"""``recsys backup`` and ``recsys restore``: the shards copied off the machine, and back."""

import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from actors.cli.problems import fail, read_settings
from actors.cli.serve import DataDirOption
from actors.copies.bucket import Bucket
from actors.copies.generations import KEEP, Manifest
from actors.copies.keeper import copy_store
from actors.copies.restore import generations_of
from actors.copies.restore import restore as restore_folder
from actors.errors import StartupError
from actors.host.environment import prepare_guest
from actors.host.run_folder import cluster_on
from actors.layout import existing, layout_of, shard_folder
from actors.overrides import override
from actors.settings import CopySettings, ShardSettings
from recsys.errors import RecsysError
from recsys.store.sqlite_copy import copy_closed

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["backup", "restore"]

_URL = "file:///folder, s3://bucket/prefix, gs:// or az://; keys come from the environment."


def backup(
    to: Annotated[str, typer.Option(help=_URL)],
    config: Annotated[
        Path | None, typer.Option(help="The server's settings in YAML; without it, the defaults.")
    ] = None,
    data_dir: DataDirOption = None,
    keep: Annotated[int, typer.Option(min=KEEP, help="Generations that stay, per shard.")] = KEEP,
    only_list: Annotated[
        bool, typer.Option("--list", help="Only say which generations are there.")
    ] = False,
) -> None:
    """Copy every shard of a stopped or a running server to a folder or an object store.

    The keys (shard-*/key) do not travel: keep a copy of them where your other secrets are.
    """
    settings = override(read_settings(config), data_dir=data_dir)
    copies = CopySettings(url=to, keep=keep)
    out = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        bucket = Bucket(to)
        if not only_list:
            made = _copy(settings.shards.data_dir, copies)
            for shard, manifest in enumerate(made):
                text = "nothing new" if manifest is None else f"up to event {manifest.sequence:,}"
                out.print(f"shard {shard}: {text}")
        for line in _lines(generations_of(bucket)):
            out.print(line)
    except RecsysError as error:
        fail(str(error))


def _copy(data_dir: Path, copies: CopySettings) -> list[Manifest | None]:
    cluster = cluster_on(data_dir)
    if cluster is not None:
        prepare_guest()
        # Not at the top: Ray reads its environment when it is imported.
        guest: ModuleType = importlib.import_module("actors.copies.guest")
        answers: list[Manifest | None] = guest.copy_all(
            cluster.address, layout_of(data_dir).shards, copies
        )
        return answers
    with existing(data_dir) as layout:
        shards = ShardSettings(count=layout.shards, partitions=layout.partitions, data_dir=data_dir)
        return [_copy_closed(shard, shards, copies) for shard in range(layout.shards)]


def _copy_closed(shard: int, shards: ShardSettings, copies: CopySettings) -> Manifest | None:
    folder = shard_folder(shards.data_dir, shard)

    def source(target: Path) -> None:
        copy_closed(folder / "log.sqlite", target)

    return copy_store(source, shard, shards, folder, copies)


def restore(
    source: Annotated[str, typer.Option("--from", help=_URL)],
    data_dir: Annotated[Path, typer.Option(help="A new or empty folder.")],
    generation: Annotated[
        list[str] | None,
        typer.Option(help="shard-<i>/<name>, as listed; once per shard. Without it, the newest."),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Folder with the shard-<i>/key of the lost directory.")
    ] = None,
) -> None:
    """Make a data directory of the newest sound generation of every shard."""
    out = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        wanted = dict(map(_wanted, generation or ()))
        restored = restore_folder(Bucket(source), data_dir, wanted, keys)
    except RecsysError as error:
        fail(str(error))
    for shard, one in enumerate(restored):
        for reason in one.passed_over:
            out.print(f"shard {shard}: passed over {reason}")
        out.print(f"shard {shard}: restored up to event {one.manifest.sequence:,}")
    if not all(one.has_key for one in restored):
        out.print(
            "without --keys, what was sealed under the old keys is learned anew from the log, "
            "if that reaches back to its start"
        )
    out.print(f"start it with: recsys serve --data-dir {data_dir}")


def _wanted(text: str) -> tuple[int, str]:
    shard, _, name = text.partition("/")
    number = shard.removeprefix("shard-")
    if not (number.isdigit() and name):
        message = f"a generation is named shard-<i>/<name>, got {text!r}"
        raise StartupError(message)
    return int(number), name


def _lines(found: dict[int, list[Manifest]]) -> Iterator[str]:
    """Yield a line per generation; no table, which would cut the names in a narrow terminal."""
    for shard, generations in found.items():
        for one in generations:
            made = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one.created_ms / 1000))
            yield (
                f"shard-{shard}/{one.name}  {made} UTC  up to event {one.sequence:,}, "
                f"{one.size / 1e6:.1f} MB, packed {one.packed / 1e6:.1f} MB"
            )
