"""Where copies go: a folder or an object store, by URL; the only module that knows obstore.

``file:///srv/copies``, ``s3://bucket/prefix``, ``gs://...`` and ``az://...``. What else an object
store needs (keys, region, endpoint) it takes from the environment, as its own tools do.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from actors.errors import CopyError, StartupError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["Bucket"]

_CHUNK: Final = 4 << 20  # bytes read at once
_LONGEST: Final = 300  # characters of what a store says
_SAID: Final = re.compile(r"<Code>(?P<code>[^<]+)</Code>\s*<Message>(?P<message>[^<]+)</Message>")
"""In the answers of S3, GCS and Azure, which obstore quotes as they came."""


class Bucket:
    """Objects by name under one URL; every call blocks.

    Parameters
    ----------
    url
        A folder is made if need be.

    Raises
    ------
    StartupError
        When obstore is not installed, or the URL is none that it knows.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        # Neither user names nor query strings belong into a log.
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        if parts.scheme not in {"file", "s3", "gs", "az", "azure", "abfs", "abfss"}:
            message = f"copies go to a file://, s3://, gs:// or az:// URL, got {self.name!r}"
            raise StartupError(message)
        if parts.password or parts.query:
            # Settings are shown in Ray's dashboard: no secret may stand in them.
            message = f"{self.name}: keys come from the environment, never from the URL"
            raise StartupError(message)
        try:
            import obstore.exceptions  # noqa: PLC0415 - an extra, wanted by few
            import obstore.store  # noqa: PLC0415
        except ImportError as error:
            message = f"copies need obstore ({error}): pip install 'recsys[cloud]'"
            raise StartupError(message) from error
        self._errors = (obstore.exceptions.BaseError, OSError)
        self._missing = (obstore.exceptions.NotFoundError, FileNotFoundError)
        self._there = (obstore.exceptions.AlreadyExistsError, FileExistsError)
        try:
            self._store: ObjectStore = (
                obstore.store.LocalStore(Path(unquote(parts.path)), mkdir=True)
                if parts.scheme == "file"
                else obstore.store.from_url(url)
            )
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            message = f"{self.name} cannot be used for copies: {_reason(error)}"
            raise StartupError(message) from error

    def put(self, name: str, file: Path) -> None:
        """Upload a file; what was there under the name is replaced.

        Raises
        ------
        CopyError
            When the store does not take it.
        """
        import obstore  # noqa: PLC0415

        with self._translated(name):
            obstore.put(self._store, name, file)

    def put_new(self, name: str, content: bytes) -> None:
        """Upload a small object under a name that nobody has.

        Raises
        ------
        CopyError
            When somebody has it, or the store does not take it.
        """
        import obstore  # noqa: PLC0415

        with self._translated(name):
            obstore.put(self._store, name, content, mode="create", use_multipart=False)

    def names(self, prefix: str) -> list[str]:
        """Return the names of all objects below a prefix, sorted."""
        import obstore  # noqa: PLC0415

        with self._translated(prefix):
            return sorted(
                found["path"] for page in obstore.list(self._store, prefix) for found in page
            )

    def read(self, name: str) -> bytes:
        """Return a small object."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield an object piece by piece."""
        import obstore  # noqa: PLC0415

        with self._translated(name):
            for chunk in obstore.get(self._store, name).stream(min_chunk_size=_CHUNK):
                yield bytes(chunk)

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is fine."""
        import obstore  # noqa: PLC0415

        with self._translated(name):
            try:
                obstore.delete(self._store, name)
            except self._missing:
                return

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except self._there as error:
            message = f"{self.name}: {name} is there already: another server copies to the same URL"
            raise CopyError(message) from error
        except self._errors as error:
            message = f"{self.name}: {name}: {_reason(error)}"
            raise CopyError(message) from error


def _reason(error: Exception) -> str:
    """Return what the store itself said, or else the first line."""
    said = _SAID.search(str(error))
    if said is not None:
        return f"{said['message']} ({said['code']})"[:_LONGEST]
    return (str(error).splitlines() or [type(error).__name__])[0][:_LONGEST]
