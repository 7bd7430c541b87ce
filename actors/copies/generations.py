"""The generations of one shard: immutable copies, each with a manifest that is written last.

::

    <url>/shard-0/00000003-0000000000001200-9f86d081884c.copy   the store, packed
    <url>/shard-0/00000003-0000000000001200-9f86d081884c.json   its manifest

Epoch, last sequence and the beginning of the content's hash name a generation, so that names sort
as generations do. A copy without a manifest does not count. The key is no part of it: whoever can
write to the bucket and knew the key could have our processes run what they like, so the operator
keeps it elsewhere, and the manifest has only its mark.

Packed by zlib, because Python 3.11 has no faster one and obstore packs nothing.
"""

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from actors.copies.bucket import Bucket
from actors.errors import CopyError
from recsys.clock import now_ms
from recsys.store.sqlite_copy import describe

__all__ = ["KEEP", "Generations", "Manifest", "Source"]

KEEP: Final = 3
_FORMAT: Final = 1
_LEVEL: Final = 1  # of zlib; higher ones cost more time than they spare
_CHUNK: Final = 1 << 20

Source = Callable[[Path], None]
"""Writes a consistent copy of a store to a path."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a generation is.

    Attributes
    ----------
    shards, partitions
        Of the data directory.
    sequence, snapshot, epoch, store_id, schema
        Of the store, see ``recsys.store.sqlite_schema``; the id in hexadecimal digits.
    created_ms
        When it was made, by this machine's clock; for people.
    size, packed
        Bytes of the store, and of the object.
    sha256
        Of the object.
    key_mark
        Mark of the key under which the store's pickles are sealed, empty when there is none.
    """

    format: int
    shard: int
    shards: int
    partitions: int
    store_id: str
    schema: int
    epoch: int
    sequence: int
    snapshot: int
    created_ms: int
    size: int
    packed: int
    sha256: str
    key_mark: str = ""

    @property
    def name(self) -> str:
        """Its name, without the shard."""
        return f"{self.epoch:08d}-{self.sequence:016d}-{self.sha256[:12]}"


class Generations:
    """What a bucket holds of one shard.

    Parameters
    ----------
    keep
        How many generations stay.
    """

    def __init__(self, bucket: Bucket, shard: int, keep: int = KEEP) -> None:
        self._bucket = bucket
        self._shard = shard
        self._keep = keep

    def _path(self, name: str, ending: str) -> str:
        return f"shard-{self._shard}/{name}.{ending}"

    def all(self) -> list[Manifest]:
        """Return every generation, the oldest first.

        Raises
        ------
        CopyError
            When the bucket cannot be read, or a manifest is none.
        """
        found = []
        for path in self._bucket.names(f"shard-{self._shard}/"):
            if path.endswith(".json"):
                try:
                    manifest = msgspec.json.decode(self._bucket.read(path), type=Manifest)
                except msgspec.DecodeError as error:
                    message = f"{self._bucket.name}: {path} is no manifest: {error}"
                    raise CopyError(message) from error
                found.append(manifest)
        return sorted(found, key=lambda manifest: (manifest.epoch, manifest.sequence))

    def add(
        self, source: Source, folder: Path, *, shards: int, partitions: int, key_mark: str
    ) -> Manifest | None:
        """Make a generation of a store, and drop the oldest ones.

        Parameters
        ----------
        folder
            Takes two temporary files, as large as the store and as its packed copy.

        Returns
        -------
        Manifest or None
            ``None`` when the newest generation says the same.

        Raises
        ------
        CopyError
            When it could not be made, or the bucket holds generations of another store, or of a
            later owner of this one.
        StoreError, CorruptRecord
            When the store could not be read.
        """
        plain, packed = folder / "copy.new", folder / "copy.packed"
        try:
            plain.unlink(missing_ok=True)
            source(plain)
            schema, head = describe(plain)
            before = self.all()
            self._check_owner(before, head.store_id.hex(), head.epoch)
            newest = before[-1] if before else None
            if newest and (newest.sequence, newest.snapshot, newest.epoch) == (
                head.high_water,
                head.snapshot,
                head.epoch,
            ):
                return None
            manifest = Manifest(
                format=_FORMAT,
                shard=self._shard,
                shards=shards,
                partitions=partitions,
                store_id=head.store_id.hex(),
                schema=schema,
                epoch=head.epoch,
                sequence=head.high_water,
                snapshot=head.snapshot,
                created_ms=now_ms(),
                size=plain.stat().st_size,
                sha256=_pack(plain, packed),
                packed=packed.stat().st_size,
                key_mark=key_mark,
            )
            self._upload(manifest, packed)
        except OSError as error:
            message = f"{folder} takes no copy: {error.strerror}"
            raise CopyError(message) from error
        finally:
            for left in (plain, packed, plain.with_name(f"{plain.name}-wal")):
                left.unlink(missing_ok=True)
        self._prune([*before, manifest])
        return manifest

    def _check_owner(self, before: list[Manifest], store_id: str, epoch: int) -> None:
        for other in before:
            if other.store_id != store_id:
                message = (
                    f"{self._bucket.name} holds copies of another store of shard {self._shard}; "
                    "choose another URL"
                )
                raise CopyError(message)
            if other.epoch > epoch:
                message = (
                    f"{self._bucket.name} holds copies of a later owner of shard {self._shard} "
                    f"(epoch {other.epoch}, this is {epoch}): was it restored elsewhere?"
                )
                raise CopyError(message)

    def _upload(self, manifest: Manifest, packed: Path) -> None:
        """Upload, read it back, and only then say that it is there."""
        path = self._path(manifest.name, "copy")
        self._bucket.put(path, packed)
        digest = hashlib.sha256()
        for chunk in self._bucket.chunks(path):
            digest.update(chunk)
        if digest.hexdigest() != manifest.sha256:
            message = f"{self._bucket.name}: {path} is not what was uploaded"
            raise CopyError(message)
        self._bucket.put_new(self._path(manifest.name, "json"), msgspec.json.encode(manifest))

    def _prune(self, found: list[Manifest]) -> None:
        """Drop what is older than the generations to keep, uploads that were broken off too."""
        kept = found[-self._keep :]
        oldest = self._path(kept[0].name, "")
        # Manifests first: what has none does not count.
        for ending in (".json", ".copy"):
            for path in self._bucket.names(f"shard-{self._shard}/"):
                if path.endswith(ending) and path < oldest:
                    self._bucket.delete(path)

    def fetch(self, manifest: Manifest, target: Path) -> None:
        """Bring a generation back as a file.

        Raises
        ------
        CopyError
            When it is not there, or is not what was made.
        """
        path = self._path(manifest.name, "copy")
        digest, unpack = hashlib.sha256(), zlib.decompressobj()
        try:
            with target.open("wb") as file:
                for chunk in self._bucket.chunks(path):
                    digest.update(chunk)
                    file.write(unpack.decompress(chunk))
                file.write(unpack.flush())
        except zlib.error as error:
            message = f"{self._bucket.name}: {path} is damaged: {error}"
            raise CopyError(message) from error
        except OSError as error:
            message = f"{target} cannot be written: {error.strerror}"
            raise CopyError(message) from error
        size = target.stat().st_size
        if digest.hexdigest() != manifest.sha256 or size != manifest.size:
            message = f"{self._bucket.name}: {path} is damaged: it is not what was uploaded"
            raise CopyError(message)


def _pack(plain: Path, packed: Path) -> str:
    """Compress a file, and return the hash of what became of it."""
    digest, press = hashlib.sha256(), zlib.compressobj(_LEVEL)
    with plain.open("rb") as source, packed.open("wb") as target:
        while chunk := source.read(_CHUNK):
            piece = press.compress(chunk)
            digest.update(piece)
            target.write(piece)
        piece = press.flush()
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()
