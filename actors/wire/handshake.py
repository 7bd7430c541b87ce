"""The hello: both sides prove that they know the secret of the door, and neither says it.

A shard's process makes the secret when it opens its door; whoever may know it learns it by a Ray
call, for which Ray asks for the cluster's token. A gateway that has an old address, where somebody
else listens by now, notices before it has sent anything.
"""

import hmac
import secrets
from typing import Final

import msgspec
from typing_extensions import override

from actors.wire.frames import BadFrame, Frame, frame_of

__all__ = ["MAGIC", "VERSION", "Caller", "Door", "Keeper", "OtherVersion"]

MAGIC: Final = "recsys"
VERSION: Final = 2
"""Raised when frames, methods or messages change so that older ones cannot be understood."""
_NONCE: Final = 16
_SECRET: Final = 32


class OtherVersion(Exception):
    """The two sides run different versions."""


class Door(msgspec.Struct, frozen=True):
    """Where a shard listens, and what it asks for; not to be logged."""

    host: str
    port: int
    secret: bytes

    @override
    def __repr__(self) -> str:
        return f"Door({self.host}:{self.port})"

    @staticmethod
    def new_secret() -> bytes:
        """Make a secret."""
        return secrets.token_bytes(_SECRET)


def _proof(secret: bytes, side: bytes, shard: int, first: bytes, second: bytes) -> bytes:
    message = b"|".join((side, str(shard).encode(), first, second))
    return hmac.digest(secret, message, "sha256")


def _is_nonce(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == _NONCE


class Caller:
    """A gateway's side."""

    def __init__(self, secret: bytes, shard: int) -> None:
        self._secret = secret
        self._shard = shard
        self._nonce = secrets.token_bytes(_NONCE)

    def hello(self) -> bytes:
        """Return the first frame."""
        return frame_of(MAGIC, VERSION, self._shard, self._nonce)

    def prove(self, frame: Frame) -> bytes:
        """Check what the shard has answered, and return the second frame.

        Raises
        ------
        OtherVersion
            When it runs one.
        BadFrame
            When it is not the shard that is meant.
        """
        match frame:
            case (int(version), *_) if version != VERSION:
                message = f"it speaks version {version} of the wire, not {VERSION}"
                raise OtherVersion(message)
            case (int(), bytes(nonce), bytes(proof)) if _is_nonce(nonce):
                wanted = _proof(self._secret, b"shard", self._shard, self._nonce, nonce)
                if hmac.compare_digest(proof, wanted):
                    return frame_of(
                        _proof(self._secret, b"gateway", self._shard, nonce, self._nonce)
                    )
        message = "whoever listens there is not the shard"
        raise BadFrame(message)


class Keeper:
    """A shard's side."""

    def __init__(self, secret: bytes, shard: int) -> None:
        self._secret = secret
        self._shard = shard
        self._nonce = secrets.token_bytes(_NONCE)
        self._callers = b""

    def answer(self, frame: Frame) -> bytes:
        """Return the answer to the first frame.

        Raises
        ------
        BadFrame
            When it is no hello, or is meant for another shard.
        """
        match frame:
            case (str(magic), int(version), *_) if magic == MAGIC and version != VERSION:
                # What follows is that version's; it hears which one this is.
                return frame_of(VERSION)
            case (str(magic), int(), int(shard), bytes(nonce)) if (
                magic == MAGIC and shard == self._shard and _is_nonce(nonce)
            ):
                self._callers = nonce
                proof = _proof(self._secret, b"shard", shard, nonce, self._nonce)
                return frame_of(VERSION, self._nonce, proof)
        message = "no hello to this shard"
        raise BadFrame(message)

    def admit(self, frame: Frame) -> None:
        """Check the second frame.

        Raises
        ------
        BadFrame
            When the caller does not know the secret.
        """
        wanted = _proof(self._secret, b"gateway", self._shard, self._nonce, self._callers)
        match frame:
            case (bytes(proof),) if self._callers and hmac.compare_digest(proof, wanted):
                return
        message = "the caller does not know the secret"
        raise BadFrame(message)
