"""Holds what Python made against the types that the schema says.

Python makes a struct of anything: a number 1994 for the float that is meant, or a list that its
owner changes later. ``recsys.events`` has the limits that types cannot say.
"""

from typing import TypeVar

import msgspec

from recsys.errors import InvalidEvent
from recsys.events import Event

__all__ = ["conform", "settle"]

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)


def conform(event: Event, pointer: str = "") -> Event:
    """Return an event as a log gives it back: a copy, each value of the type that the schema says.

    Otherwise what is learned now could differ from what the log teaches, and a value of another
    type would be written and never be read again.

    Raises
    ------
    InvalidEvent
        When a value is not of its type.
    """
    return settle(event, _decoder, pointer)


def settle(value: T, decoder: msgspec.msgpack.Decoder[T], pointer: str = "") -> T:
    """Return a copy of a struct, each value of the type that the decoder's says.

    Raises
    ------
    InvalidEvent
        When a value is not of its type.
    """
    try:
        return decoder.decode(_encoder.encode(value))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise InvalidEvent(pointer, str(error)) from error
