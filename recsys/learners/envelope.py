"""Pickles that only we can have written, and only of classes that were allowed.

River's estimators can be stored as pickles alone, and a pickle runs code. So each carries a keyed
BLAKE2b digest under a key of this installation, the exact library version, and is read by an
unpickler that knows classes of the allowed packages, and of functions a handful by name: a package
as a whole is no safe ground (``numpy.testing.runstring`` runs any text, and a River data set
downloads from any address as soon as something iterates over it).
"""

import hashlib
import hmac
import inspect
import io
import pickle
from collections.abc import Sequence

import msgspec
from typing_extensions import override

from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord, IncompatibleState

__all__ = ["FORBIDDEN", "key_mark", "open_envelope", "reseal_envelope", "seal_envelope"]

_ALLOWED = {
    "builtins": frozenset(
        {"bool", "bytearray", "complex", "dict", "float", "frozenset", "int", "list", "object"}
        | {"range", "set", "slice", "str", "tuple"}
    ),
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque"}),
    "copyreg": frozenset({"_reconstructor"}),
    "datetime": frozenset({"timedelta"}),
    "functools": frozenset({"partial"}),
    "random": frozenset({"Random"}),
    "statistics": frozenset({"NormalDist"}),
    "numpy": frozenset({"dtype", "ndarray"}),
    "numpy._core.multiarray": frozenset({"_reconstruct", "scalar"}),
    "numpy._core.numeric": frozenset({"_frombuffer"}),
    "numpy.random._mt19937": frozenset({"MT19937"}),
    "numpy.random._pcg64": frozenset({"PCG64"}),
    "numpy.random._pickle": frozenset(
        {"__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor"}
    ),
    "numpy.random.bit_generator": frozenset({"SeedSequence", "__pyx_unpickle_SeedSequence"}),
    "river._river_rust.vectordict": frozenset({"euclidean_distance_tuple"}),
    "river.forest.online_extra_trees": frozenset({"ExtraTrees._detection_mode_all"}),
    "river.naive_bayes.gaussian": frozenset({"GaussianNB._make_gaussian"}),
    "river.tree.splitter.ebst_splitter": frozenset({"EBSTNode._update_estimator_univariate"}),
}
"""What may be named beside the classes of the allowed packages, by module."""
FORBIDDEN = frozenset({"checks", "compat", "datasets", "evaluate", "stream"})
"""Modules of River that read files or the network; no estimator holds anything of theirs."""


class _Envelope(msgspec.Struct):
    version: str
    digest: bytes
    pickle: bytes


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, roots: Sequence[str]) -> None:
        super().__init__(io.BytesIO(data))
        self._roots = frozenset(roots)

    @override
    def find_class(self, module_name: str, global_name: str, /) -> object:
        if global_name in _ALLOWED.get(module_name, ()):
            return super().find_class(module_name, global_name)
        if self._trusts(module_name):
            found: object = super().find_class(module_name, global_name)
            # A module holds what it imports as well: only what was made there counts.
            if inspect.isclass(found) and self._trusts(found.__module__):
                return found
        detail = f"a stored model names {module_name}.{global_name}, which is not allowed"
        raise CorruptRecord(detail)

    def _trusts(self, module_name: str) -> bool:
        parts = module_name.split(".")
        return parts[0] in self._roots and FORBIDDEN.isdisjoint(parts)


def _digest(key: bytes, version: str, data: bytes) -> bytes:
    return hashlib.blake2b(version.encode() + b"\0" + data, key=key, digest_size=32).digest()


def key_mark(key: bytes) -> bytes:
    """Return 16 bytes that tell one key from another and say nothing about either."""
    return hashlib.blake2b(b"mark", key=key, digest_size=16).digest()


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


def reseal_envelope(record: bytes, key: bytes, other: bytes) -> bytes:
    """Return a record that was sealed under one key as it would be under another; opens nothing.

    Raises
    ------
    CorruptRecord
        When it was not written under the first key, or is damaged.
    """
    envelope = _verified(record, key)
    digest = _digest(other, envelope.version, envelope.pickle)
    return pack(_Envelope(envelope.version, digest, envelope.pickle))


def _verified(record: bytes, key: bytes) -> _Envelope:
    envelope = unpack(record, _Envelope)
    expected = _digest(key, envelope.version, envelope.pickle)
    if not hmac.compare_digest(envelope.digest, expected):
        detail = "a stored model was not written by this installation"
        raise CorruptRecord(detail)
    return envelope


def open_envelope(record: bytes, *, key: bytes, version: str, roots: Sequence[str]) -> object:
    """Return the value that ``seal_envelope`` wrote.

    Parameters
    ----------
    roots
        Top-level packages whose classes may be inside; importing their modules must be harmless.

    Raises
    ------
    CorruptRecord
        When it was not written under this key, is damaged, or names a class that is not allowed.
    IncompatibleState
        When it was written by another version.
    """
    envelope = _verified(record, key)
    if envelope.version != version:
        detail = f"a stored model is of {envelope.version!r}, this is {version!r}"
        raise IncompatibleState(detail)
    return _Unpickler(envelope.pickle, roots).load()
