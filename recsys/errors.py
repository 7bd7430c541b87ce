"""Every error that ``recsys`` raises on purpose.

::

    RecsysError
    ├── InvalidEvent        an event or request breaks a documented limit; names the field
    ├── InvalidSettings     a setting or a combination of settings makes no sense
    ├── IncompatibleState   sound bytes that these settings or libraries cannot go on with
    ├── NonFinite           what was learned is not finite: it must not be stored or served
    ├── CorruptRecord       stored bytes fail their own checksum or format
    ├── StoreError          the store cannot do what was asked (disk, lock, schema)
    │   ├── StoreLocked     another process owns the file
    │   └── FlushFailed     the disk did not confirm a write; only a new opening can tell
    ├── InvalidDataset      a file of interactions or items; names file, line and column
    ├── ApiError            (client) the server answered with a problem document
    └── Unreachable         (client) no answer came, after all attempts

All constructor arguments are forwarded to ``super().__init__``, so that each error survives
pickling on its way through Ray.
"""

from typing_extensions import override

__all__ = [
    "ApiError",
    "CorruptRecord",
    "FlushFailed",
    "IncompatibleState",
    "InvalidDataset",
    "InvalidEvent",
    "InvalidSettings",
    "NonFinite",
    "RecsysError",
    "StoreError",
    "StoreLocked",
    "Unreachable",
]


class RecsysError(Exception):
    """Root of the tree."""


class InvalidEvent(RecsysError):
    """A value from outside breaks a limit.

    Parameters
    ----------
    pointer
        JSON pointer (RFC 6901) of the offending value inside the document, ``""`` for all of it.
    detail
        What was expected and what was got, in one sentence.
    """

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(pointer, detail)
        self.pointer = pointer
        self.detail = detail

    @override
    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.detail}"


class InvalidSettings(RecsysError):
    """Settings that contradict each other or name something that does not exist."""


class IncompatibleState(RecsysError):
    """A snapshot was made under other settings or by other library versions.

    The engine then rebuilds the state from the log, if the log still reaches back to its start.
    """


class NonFinite(RecsysError):
    """Something learned is infinite or not a number; the message says what.

    A snapshot of it would be a bad one for ever, so none is made: see
    ``recsys.engine.Engine.heal``.
    """


class InvalidDataset(RecsysError):
    """A file of interactions or items cannot be read.

    Parameters
    ----------
    path
        The file.
    detail
        What was expected and what was got, in one sentence.
    line
        Counted from 1; ``None`` when the file as a whole is meant.
    column
        Name of the column, where there is one.
    """

    def __init__(
        self, path: str, detail: str, line: int | None = None, column: str | None = None
    ) -> None:
        super().__init__(path, detail, line, column)
        self.path = path
        self.detail = detail
        self.line = line
        self.column = column

    @override
    def __str__(self) -> str:
        place = self.path
        if self.line is not None:
            place += f", line {self.line}"
        if self.column is not None:
            place += f", column {self.column!r}"
        return f"{place}: {self.detail}"


class CorruptRecord(RecsysError):
    """Stored bytes are not what was written."""


class StoreError(RecsysError):
    """The store cannot do what was asked; the message says what to do about it."""


class StoreLocked(StoreError):
    """Another process has this store open."""


class FlushFailed(StoreError):
    """The disk could not say whether it has the bytes; its owner must end, and open it anew."""


class ApiError(RecsysError):
    """The server refused a request of the client.

    Parameters
    ----------
    status
        HTTP status code.
    detail
        The problem document's ``detail``, or the first bytes of a body that was none.
    retry_after_s
        Seconds after which the server wants to be asked again, where it said so.
    from_front
        Whether HAProxy in front has answered by itself, as far as can be told.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        retry_after_s: float | None = None,
        *,
        from_front: bool = False,
    ) -> None:
        super().__init__(status, detail, retry_after_s)
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.from_front = from_front

    @property
    def passing(self) -> bool:
        """Whether another attempt may end better.

        So it is with a full queue, a shard or a proxy without an answer, and with what HAProxy says
        by itself as long as it knows no gateway (404) or reaches none (500).
        """
        front = self.from_front and self.status in {404, 500}
        return front or self.status in {429, 502, 503, 504}

    @property
    def denied(self) -> bool:
        """Whether it is about who asks and not about what: the key is missing, unknown or weak.

        Every other request of that kind ends the same way.
        """
        return self.status in {401, 403}

    @override
    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.detail}"


class Unreachable(RecsysError):
    """The client got no answer: nothing listens there, or the connection broke each time.

    Parameters
    ----------
    url
        What was asked.
    reason
        What went wrong the last time, in one sentence.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    @override
    def __str__(self) -> str:
        return f"no answer from {self.url}: {self.reason}"
