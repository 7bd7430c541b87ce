"""Where in a body a value is wrong: from what msgspec says to a JSON pointer (RFC 6901)."""

import re
from contextlib import suppress
from typing import Final, TypeVar, get_args

import msgspec
from msgspec import Raw

from recsys.events import Attributes, Context

__all__ = ["Decoder", "locate", "pointer_of"]

T = TypeVar("T")
Decoder = msgspec.json.Decoder[T] | msgspec.msgpack.Decoder[T]

_PLACE: Final = re.compile(r"\.(\w+)|\[(\d{1,9})\]|\[\.\.\.\]")
_FIELD: Final = re.compile(r"Object (?:contains unknown|missing required) field `(.*)`", re.DOTALL)
_VALUES: Final = {"attributes": get_args(Attributes)[1], "context": get_args(Context)[1]}
"""Type of the values of each field that is a mapping."""


def pointer_of(message: str) -> tuple[str, str]:
    """Split a message of msgspec into a JSON pointer and what is wrong there.

    ``Expected `str`, got `int` - at `$[0].user_id``` becomes ``/0/user_id`` and ``Expected `str`,
    got `int```. A field that is unknown or missing becomes part of the pointer. The name of an
    entry of a dict is not in the message; then the pointer is the dict's.
    """
    steps, _, detail = _split(message)
    field = _FIELD.fullmatch(detail)
    if field is not None:
        steps.append(field[1])
    return "".join(f"/{_escape(str(step))}" for step in steps), detail


def locate(error: msgspec.ValidationError, decoder: Decoder[T], body: bytes) -> tuple[str, str]:
    """Return a JSON pointer to what is wrong in a body and what it is.

    An entry of a mapping, which the message leaves out, is looked for in the body. When it is not
    found, for what follows it is unreadable or hides it, the pointer is the mapping's.

    Parameters
    ----------
    error
        What the decoder said of the body.
    """
    message = str(error)
    pointer, detail = pointer_of(message)
    steps, within, _ = _split(message)
    if within and steps and (field := steps[-1]) in _VALUES:
        # Later parts of the body, which nobody has read yet, may be wrong in any other way; and
        # a field that comes twice may have hidden the place.
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LookupError):
            packed = isinstance(decoder, msgspec.msgpack.Decoder)
            entry = _bad_entry(steps, _VALUES[field], body, packed=packed)
            if entry is not None:
                return pointer + entry[0], entry[1]
    return pointer, detail


def _bad_entry(
    steps: list[str | int], kind: object, body: bytes, *, packed: bool
) -> tuple[str, str] | None:
    """Find the first entry of a mapping that is not of its type.

    Parameters
    ----------
    steps
        Fields and indices that lead to the mapping.
    kind
        Type of its values.
    packed
        Whether the body is msgpack instead of JSON.

    Returns
    -------
    tuple or None
        Pointer from the mapping on, and what is wrong there.
    """
    decode = msgspec.msgpack.decode if packed else msgspec.json.decode
    for step in steps:
        if isinstance(step, int):
            body = decode(body, type=list[Raw])[step]
        else:
            body = decode(body, type=dict[str, Raw])[step]
    value = msgspec.msgpack.Decoder(kind) if packed else msgspec.json.Decoder(kind)
    for key, raw in decode(body, type=dict[str, Raw]).items():
        try:
            value.decode(raw)
        except msgspec.ValidationError as error:
            pointer, detail = pointer_of(str(error))
            return f"/{_escape(key)}{pointer}", detail
    return None


def _split(message: str) -> tuple[list[str | int], bool, str]:
    """Return the steps to the place, whether it lies within a dict there, and what is wrong."""
    detail, _, path = message.rpartition(" - at ")
    if not detail:
        return [], False, message
    steps: list[str | int] = []
    for match in _PLACE.finditer(path):
        if match[0] == "[...]":
            return steps, True, detail
        steps.append(match[1] or int(match[2]))
    return steps, False, detail


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
