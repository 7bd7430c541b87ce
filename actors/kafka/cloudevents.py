"""CloudEvents 1.0 in Kafka: the envelope taken off, in both of its forms.

Structured: the record's content type is ``application/cloudevents+json`` and its value holds
everything. Binary: the attributes are headers that begin with ``ce_``, the value is the data, and
``content-type`` is the data's. Of the envelope we use ``id`` and ``time``.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

__all__ = ["STRUCTURED", "Envelope", "open_binary", "open_structured"]

STRUCTURED: Final = "application/cloudevents+json"
_VERSION: Final = "1.0"
_JSON: Final = "application/json"
_MARK: Final = "ce_specversion"

Text = Annotated[str, Meta(min_length=1)]


class Envelope(msgspec.Struct, frozen=True):
    """What was in the envelope, and what was on it.

    Attributes
    ----------
    time
        When it happened, if the envelope says so.
    data
        Bytes of ``content_type``.
    """

    id: str
    time: datetime | None
    content_type: str
    data: bytes


class _Structured(msgspec.Struct, frozen=True):
    """Attributes that extensions define are allowed, and ignored."""

    specversion: str
    id: Text
    source: Text
    type: Text
    time: Annotated[datetime, Meta(tz=True)] | None = None
    datacontenttype: str = _JSON
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None


_structured = msgspec.json.Decoder(_Structured)


def open_structured(value: bytes) -> Envelope:
    """Open an envelope that is a document.

    Raises
    ------
    ValueError
        When it is none; ``msgspec``'s errors are among them.
    """
    outer = _structured.decode(value)
    _check_version(outer.specversion)
    data = bytes(outer.data)
    if outer.data_base64 is not None:
        if data:
            message = "data and data_base64 exclude each other"
            raise ValueError(message)
        try:
            data = base64.b64decode(outer.data_base64, validate=True)
        except binascii.Error as error:
            message = f"data_base64: {error}"
            raise ValueError(message) from error
    return Envelope(outer.id, outer.time, outer.datacontenttype, data)


def open_binary(headers: Mapping[str, str], content_type: str, value: bytes) -> Envelope | None:
    """Open an envelope that is headers; ``None`` when there is none.

    Parameters
    ----------
    headers
        By their names in lower case.

    Raises
    ------
    ValueError
        When a header that must be there is not, or says something else than it may.
    """
    if _MARK not in headers:
        return None
    _check_version(headers[_MARK])
    for name in ("ce_id", "ce_source", "ce_type"):
        if not headers.get(name):
            message = f"the header {name} is missing"
            raise ValueError(message)
    time = headers.get("ce_time")
    moment = None
    if time is not None:
        moment = msgspec.convert(time, Annotated[datetime, Meta(tz=True)], strict=False)
    return Envelope(headers["ce_id"], moment, content_type, value)


def _check_version(version: str) -> None:
    if version != _VERSION:
        message = f"CloudEvents {_VERSION} is read, got version {version[:20]!r}"
        raise ValueError(message)
