"""Checks, hashes and makes ids.

Ids come from strangers. They are data: at most 256 bytes of UTF-8 without control characters, and
they reach Vowpal Wabbit, file names and metric labels only as hashes.
"""

import hashlib
import os
import unicodedata
from functools import lru_cache

import mmh3

from recsys.clock import now_ms
from recsys.errors import InvalidEvent

__all__ = ["MAX_ID_BYTES", "check_id", "dedupe_key", "feature_hash", "feature_hashes", "new_id"]

MAX_ID_BYTES = 256

_TAIL = 20
"""Random digits of an id."""
_DRAWN = 64
"""Tails that are drawn at once: to ask the system for each takes as long as all else."""
_tails = list[str]()
if hasattr(os, "register_at_fork"):
    # A child process would make its parent's ids.
    os.register_at_fork(after_in_child=_tails.clear)


def check_id(value: str, pointer: str) -> None:
    """Refuse an id that is empty, too long, or holds control characters or lone surrogates.

    Raises
    ------
    InvalidEvent
        With ``pointer`` as its place.
    """
    if not value:
        raise InvalidEvent(pointer, "must not be empty")
    if value.isascii() and value.isprintable() and len(value) <= MAX_ID_BYTES:
        return
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidEvent(pointer, "must be valid UTF-8, got a lone surrogate") from None
    if size > MAX_ID_BYTES:
        raise InvalidEvent(pointer, f"has at most {MAX_ID_BYTES} bytes, got {size}")
    if any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in value):
        raise InvalidEvent(pointer, "must not hold control characters")


def new_id() -> str:
    """Make a random id of 32 hexadecimal digits whose order is the order of time."""
    try:
        tail = _tails.pop()
    except IndexError:
        drawn = os.urandom(_DRAWN * _TAIL // 2).hex()
        _tails.extend(drawn[at : at + _TAIL] for at in range(_TAIL, len(drawn), _TAIL))
        tail = drawn[:_TAIL]
    return f"{now_ms():012x}{tail}"


def dedupe_key(event_id: str) -> bytes:
    """Return the 16 bytes under which an event id is remembered; hard to collide on purpose."""
    return hashlib.blake2b(event_id.encode(), digest_size=16).digest()


def feature_hash(namespace: str, value: str) -> int:
    """Hash a raw value into the unsigned 32-bit integer that Vowpal Wabbit sees in its place.

    Integers are not hashed again by Vowpal Wabbit (it takes their low bits), so the spreading
    happens here.
    """
    return mmh3.hash(f"{namespace}\x00{value}".encode(), signed=False)


def feature_hashes(namespaces: tuple[str, ...], value: str) -> list[int]:
    """Return ``feature_hash`` of a value in each of some namespaces, which are asked for often."""
    encoded = value.encode()
    return [mmh3.hash(prefix + encoded, signed=False) for prefix in _prefixes(namespaces)]


@lru_cache(maxsize=256)
def _prefixes(namespaces: tuple[str, ...]) -> list[bytes]:
    return [f"{namespace}\x00".encode() for namespace in namespaces]
