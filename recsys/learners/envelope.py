"""Pickles that only we can have written, and only of classes that were allowed.

River's estimators can be stored as pickles alone, and a pickle runs code. So each carries a keyed
BLAKE2b digest under a key of this installation, the exact library version, and is read by an
unpickler that knows nothing but the allowed modules.
"""

import hashlib
import hmac
import io
import pickle
from collections.abc import Sequence

import msgspec
from typing_extensions import override

from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord, IncompatibleState

__all__ = ["open_envelope", "seal_envelope"]

_BUILTINS = frozenset(
    {
        ("builtins", name)
        for name in ("set", "frozenset", "complex", "bytearray", "range", "slice", "object")
    }
    | {("collections", name) for name in ("defaultdict", "deque", "OrderedDict", "Counter")}
    | {
        ("copyreg", "_reconstructor"),
        ("functools", "partial"),
        ("datetime", "timedelta"),
        ("random", "Random"),
    }
    | {("builtins", name) for name in ("int", "float", "str", "bool", "dict", "list", "tuple")}
)


class _Envelope(msgspec.Struct):
    version: str
    digest: bytes
    pickle: bytes


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, roots: Sequence[str]) -> None:
        super().__init__(io.BytesIO(data))
        self._roots = (*roots, "numpy")

    @override
    def find_class(self, module_name: str, global_name: str, /) -> object:
        allowed = module_name.split(".", 1)[0] in self._roots
        if not allowed and (module_name, global_name) not in _BUILTINS:
            detail = f"a stored model names {module_name}.{global_name}, which is not allowed"
            raise CorruptRecord(detail)
        return super().find_class(module_name, global_name)


def _digest(key: bytes, version: str, data: bytes) -> bytes:
    return hashlib.blake2b(version.encode() + b"\0" + data, key=key, digest_size=32).digest()


def seal_envelope(value: object, *, key: bytes, version: str) -> bytes:
    """Return the record of a pickled value.

    Parameters
    ----------
    key
        Secret of this installation, 16 to 64 bytes.
    version
        Of the library whose classes are inside, and whatever else must agree for reading.
    """
    data = pickle.dumps(value, protocol=5)
    return pack(_Envelope(version, _digest(key, version, data), data))


def open_envelope(record: bytes, *, key: bytes, version: str, roots: Sequence[str]) -> object:
    """Return the value that ``seal_envelope`` wrote.

    Parameters
    ----------
    roots
        Top-level packages whose classes may be inside.

    Raises
    ------
    CorruptRecord
        When it was not written under this key, is damaged, or names a class that is not allowed.
    IncompatibleState
        When it was written by another version.
    """
    envelope = unpack(record, _Envelope)
    expected = _digest(key, envelope.version, envelope.pickle)
    if not hmac.compare_digest(envelope.digest, expected):
        detail = "a stored model was not written by this installation"
        raise CorruptRecord(detail)
    if envelope.version != version:
        detail = f"a stored model is of {envelope.version!r}, this is {version!r}"
        raise IncompatibleState(detail)
    return _Unpickler(envelope.pickle, roots).load()
