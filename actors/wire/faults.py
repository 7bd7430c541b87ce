"""Errors on their way from a shard to a gateway."""

from collections.abc import Callable
from typing import Final

import msgspec

from actors.errors import NotOwned, Overloaded, RuntimeFault, ShardUnavailable
from recsys.errors import InvalidEvent, RecsysError

__all__ = ["fault_from", "fault_to"]

_OTHER: Final = 1
_KINDS: Final[dict[int, type[RecsysError]]] = {
    2: ShardUnavailable,
    3: Overloaded,
    4: NotOwned,
    5: InvalidEvent,
}
"""What they are made of is what they forward to their root (``recsys.errors``)."""
_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}
_ARGUMENTS: Final[dict[int, Callable[[bytes], tuple[object, ...]]]] = {
    _OTHER: msgspec.msgpack.Decoder(tuple[str]).decode,
    2: msgspec.msgpack.Decoder(tuple[int, str]).decode,
    3: msgspec.msgpack.Decoder(tuple[int, float]).decode,
    4: msgspec.msgpack.Decoder(tuple[int, int]).decode,
    5: msgspec.msgpack.Decoder(tuple[str, str]).decode,
}


def fault_to(error: RecsysError) -> tuple[int, bytes]:
    """Return the kind of an error, above 0, and what it says."""
    number = _NUMBERS.get(type(error), _OTHER)
    return number, msgspec.msgpack.encode((str(error),) if number == _OTHER else error.args)


def fault_from(kind: int, said: bytes) -> RecsysError:
    """Return the error that ``fault_to`` took apart.

    One of a kind that is not known here, or that says something else, is a ``RuntimeFault``: the
    shard runs another version.
    """
    try:
        arguments = _ARGUMENTS[kind](said)
    except (KeyError, msgspec.DecodeError):
        return RuntimeFault(f"a shard answered with a fault of an unknown kind, {kind}")
    make: Callable[..., RecsysError] = _KINDS.get(kind, RuntimeFault)
    return make(*arguments)
