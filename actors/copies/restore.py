"""A data directory made of the generations in a bucket."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from actors.auth.key_file import KEY_FILES
from actors.copies.bucket import Bucket
from actors.copies.generations import Generations, Manifest
from actors.errors import CopyError, StartupError
from actors.layout import DataFolder, shard_folder
from actors.settings import ShardSettings
from recsys.errors import CorruptRecord
from recsys.keyfile import KEY_BYTES
from recsys.learners.envelope import key_mark
from recsys.store.sqlite_copy import adopt

__all__ = ["Restored", "generations_of", "restore"]

_log = logging.getLogger(__name__)


class Restored(NamedTuple):
    """What became of one shard.

    Attributes
    ----------
    passed_over
        Newer generations that could not be used, and why.
    has_key
        Whether the key of its pickles came back, too.
    """

    manifest: Manifest
    passed_over: list[str]
    has_key: bool


def generations_of(bucket: Bucket) -> dict[int, list[Manifest]]:
    """Return the generations of every shard in a bucket, the oldest first.

    Raises
    ------
    CopyError
        When the bucket cannot be read.
    """
    folders = {name.split("/")[0] for name in bucket.names("") if name.count("/") == 1}
    shards = sorted(
        int(folder.removeprefix("shard-"))
        for folder in folders
        if folder.removeprefix("shard-").isdigit()
    )
    return {shard: Generations(bucket, shard).all() for shard in shards}


def restore(
    bucket: Bucket, data_dir: Path, wanted: Mapping[int, str], keys: Path | None
) -> list[Restored]:
    """Fill an empty folder with the newest generation of every shard that is sound.

    Parameters
    ----------
    wanted
        By shard, the name of another generation than the newest.
    keys
        A folder with ``shard-<i>/key``, as in the data directory that was lost.

    Raises
    ------
    StartupError
        When the folder is not empty, or the keys are not those of the copies.
    CopyError
        When a shard has no sound generation.
    """
    found = generations_of(bucket)
    newest = max((all_[-1] for all_ in found.values() if all_), key=_made, default=None)
    if newest is None:
        message = f"{bucket.name} holds no generations"
        raise CopyError(message)
    # Keys may have been made first: copies hold none.
    if data_dir.exists() and any(one.name not in KEY_FILES for one in data_dir.iterdir()):
        message = f"{data_dir} is not empty; restore into a new folder"
        raise StartupError(message)
    restored = [
        _restore_shard(bucket, shard, found.get(shard, []), wanted.get(shard), data_dir, keys)
        for shard in range(newest.shards)
    ]
    # Last: without it, no server takes a half of a restored directory for a whole one.
    DataFolder(
        ShardSettings(count=newest.shards, partitions=newest.partitions, data_dir=data_dir)
    ).release()
    return restored


def _made(manifest: Manifest) -> int:
    return manifest.created_ms


def _restore_shard(
    bucket: Bucket,
    shard: int,
    generations: list[Manifest],
    name: str | None,
    data_dir: Path,
    keys: Path | None,
) -> Restored:
    chosen = [one for one in reversed(generations) if name in {None, one.name}]
    folder = shard_folder(data_dir, shard)
    passed_over = list[str]()
    for manifest in chosen:
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / "log.sqlite"
        try:
            Generations(bucket, shard).fetch(manifest, target)
            adopt(target, max(one.epoch for one in generations))
        except (CopyError, CorruptRecord) as error:
            passed_over.append(f"{manifest.name}: {error}")
            _log.warning("shard %d: generation %s is passed over", shard, passed_over[-1])
            for left in folder.iterdir():
                left.unlink()
        else:
            return Restored(manifest, passed_over, _bring_key(manifest, shard, folder, keys))
    why = "; ".join(passed_over) or "there is none" + (f" of the name {name}" if name else "")
    message = f"{bucket.name}: no generation of shard {shard} can be used: {why}"
    raise CopyError(message)


def _bring_key(manifest: Manifest, shard: int, folder: Path, keys: Path | None) -> bool:
    if keys is None:
        return False
    source = shard_folder(keys, shard) / "key"
    try:
        key = source.read_bytes()
    except OSError as error:
        message = f"{source}: {error.strerror}"
        raise StartupError(message) from error
    if len(key) != KEY_BYTES or (manifest.key_mark and key_mark(key).hex() != manifest.key_mark):
        message = f"{source} is not the key under which shard {shard} was copied"
        raise StartupError(message)
    target = folder / "key"
    target.touch(0o600)
    target.write_bytes(key)
    return True
