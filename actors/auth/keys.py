"""What a key is. Only its hash is kept: who reads the file of the keys cannot use them.

A key is ``rs_NAME_SECRET``. The secret has 256 random bits, so that one pass of SHA-256 is enough:
nobody guesses it, however fast the hash.
"""

import hashlib
import math
import re
import secrets
from collections.abc import Sequence
from typing import Final, Literal, get_args

import msgspec

from actors.errors import RuntimeFault

__all__ = ["SCOPES", "Key", "KeyRefused", "Scope", "digest_of", "make_key", "name_in"]

Scope = Literal["recommend", "events", "catalogue", "read", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_TEXT: Final = re.compile(r"rs_([a-z0-9-]{1,40})_[A-Za-z0-9_-]{43}")
_SECRET_BYTES: Final = 32


class KeyRefused(RuntimeFault):
    """A key cannot be made, found or taken away as asked."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of a key.

    Attributes
    ----------
    name
        Unique; logs name the caller by it.
    digest
        SHA-256 of the whole key, hexadecimal.
    scopes
        What it is good for; ``admin`` for everything.
    made_ms, expires_ms
        Epoch milliseconds; 0: it does not expire.
    requests_per_s, events_per_s
        Caps over all gateways together; 0: none.
    """

    name: str
    digest: str
    scopes: tuple[Scope, ...]
    made_ms: int
    expires_ms: int = 0
    requests_per_s: float = 0.0
    events_per_s: float = 0.0

    def allows(self, scope: Scope) -> bool:
        """Return whether the key is good for this."""
        return scope in self.scopes or "admin" in self.scopes

    def expired(self, at_ms: int) -> bool:
        """Return whether its time is over."""
        return 0 < self.expires_ms <= at_ms


def make_key(
    name: str,
    scopes: Sequence[str],
    made_ms: int,
    *,
    expires_ms: int = 0,
    requests_per_s: float = 0.0,
    events_per_s: float = 0.0,
) -> tuple[str, Key]:
    """Return a new key's text, which is shown once, and what is kept of it.

    Raises
    ------
    KeyRefused
        When the name, the scopes or the caps cannot be those of a key.
    """
    if not _NAME.fullmatch(name):
        message = f"a key's name is 1 to 40 of a-z, 0-9 and -, with - only inside; got {name!r}"
        raise KeyRefused(message)
    unknown = sorted({*scopes} - {*SCOPES})
    if unknown or not scopes:
        what = f"there is no scope {unknown[0]}" if unknown else "without a scope it opens nothing"
        message = f"{what}; a key's scopes are of {', '.join(SCOPES)}"
        raise KeyRefused(message)
    if not all(math.isfinite(cap) and cap >= 0 for cap in (requests_per_s, events_per_s)):
        message = f"a cap is a number from 0 on, got {requests_per_s} and {events_per_s}"
        raise KeyRefused(message)
    text = f"rs_{name}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    key = Key(
        name=name,
        digest=digest_of(text),
        scopes=tuple(scope for scope in SCOPES if scope in scopes),
        made_ms=made_ms,
        expires_ms=expires_ms,
        requests_per_s=requests_per_s,
        events_per_s=events_per_s,
    )
    return text, key


def digest_of(text: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def name_in(text: str) -> str:
    """Return the name in a key, empty for what has not the form of one."""
    match = _TEXT.fullmatch(text)
    return match[1] if match else ""
