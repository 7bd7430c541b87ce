"""Stored pickles run nothing: not under a wrong key, and not under the right one either."""

import hashlib
import importlib
import os
import pickle
from collections import Counter, defaultdict, deque
from pathlib import Path

import msgspec
import numpy as np
import pytest
from river import base, linear_model
from river.datasets.base import Dataset
from typing_extensions import override

from recsys.codec import open_record, pack, seal_record
from recsys.errors import CorruptRecord, IncompatibleState
from recsys.learners.envelope import key_mark, open_envelope, seal_envelope

KEY = b"k" * 32
VERSION = "river 1"


def sealed(value: object, key: bytes = KEY) -> bytes:
    return seal_envelope(value, key=key, version=VERSION)


def opened(record: bytes, key: bytes = KEY) -> object:
    return open_envelope(record, key=key, version=VERSION, roots=("river",))


class Canary:
    """Makes a file when somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self._path}",)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, (True, None)], "b": {3}, "c": "text", "d": b"bytes"},
        defaultdict(int, {"a": 1}),
        Counter("abca"),
        deque([1, 2], maxlen=3),
        complex(1, 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_plain_values_come_back(value: object) -> None:
    assert opened(sealed(value)) == value


def test_arrays_and_their_generators_come_back() -> None:
    array = np.arange(6.0).reshape(2, 3)
    found = opened(sealed({"array": array, "number": np.float64(0.5)}))
    assert isinstance(found, dict)
    np.testing.assert_array_equal(found["array"], array)
    state = np.random.RandomState(7)
    again = opened(sealed(state))
    assert isinstance(again, np.random.RandomState)
    assert again.randint(2**31) == np.random.RandomState(7).randint(2**31)


def test_estimators_come_back() -> None:
    estimator: base.Classifier = linear_model.LogisticRegression()
    for step in range(5):
        estimator.learn_one({"a": float(step), "b": 1.0}, step % 2 == 0)
    found = opened(sealed(estimator))
    assert isinstance(found, base.Classifier)
    assert found.predict_proba_one({"a": 1.0}) == estimator.predict_proba_one({"a": 1.0})


def test_another_key_opens_nothing() -> None:
    with pytest.raises(CorruptRecord, match="not written by this installation"):
        opened(sealed([1]), key=b"x" * 32)


def test_another_version_is_incompatible() -> None:
    with pytest.raises(IncompatibleState, match=r"'river 1'.*'river 2'"):
        open_envelope(sealed([1]), key=KEY, version="river 2", roots=("river",))


def test_a_version_cannot_be_exchanged() -> None:
    parts = msgspec.msgpack.decode(open_record(sealed([1])))
    with pytest.raises(CorruptRecord, match="not written by this installation"):
        open_envelope(
            pack(parts | {"version": "river 2"}), key=KEY, version="river 2", roots=("river",)
        )


@pytest.mark.parametrize("record", [b"", b"RS", seal_record(b""), pack({"version": "river 1"})])
def test_what_is_no_envelope_is_refused(record: bytes) -> None:
    with pytest.raises(CorruptRecord):
        opened(record)


@pytest.mark.parametrize("key", [KEY, b"x" * 32], ids=["right key", "wrong key"])
def test_a_pickle_that_runs_a_command_is_refused(tmp_path: Path, key: bytes) -> None:
    canary = Canary(tmp_path / "sings")
    with pytest.raises(CorruptRecord):
        opened(sealed(canary, key=key))
    assert not (tmp_path / "sings").exists()
    pickle.loads(pickle.dumps(canary))
    assert (tmp_path / "sings").exists(), "the canary cannot sing, so that its silence says nothing"


def call(module: str, name: str, *arguments: str) -> bytes:
    """Return a pickle that calls something with strings, as protocol 4 writes it."""

    def text(value: str) -> bytes:
        return b"\x8c" + bytes([len(value)]) + value.encode()

    return b"".join(
        [b"\x80\x04", text(module), text(name), b"\x93(", *map(text, arguments), b"tR."]
    )


def forged(data: bytes) -> bytes:
    """Return an envelope under the right key around a pickle of somebody else's making."""
    digest = hashlib.blake2b(VERSION.encode() + b"\0" + data, key=KEY, digest_size=32).digest()
    return pack({"version": VERSION, "digest": digest, "pickle": data})


def test_a_forger_with_the_key_gets_as_far_as_the_classes() -> None:
    assert opened(forged(pickle.dumps([1, 2], protocol=5))) == [1, 2]
    assert opened(forged(call("builtins", "str", "text"))) == "text"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("copy", "deepcopy"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy", "memmap"),
        ("numpy", "testing.runstring"),
        ("numpy.testing", "runstring"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.ctypeslib", "load_library"),
        ("river.datasets.base", "os.system"),
        ("river.datasets.base", "RemoteDataset"),
        ("river.datasets.base", "RemoteDataset.download"),
        ("river.datasets", "Phishing"),
        ("river.drift.datasets", "AirlinePassengers"),
        ("river.stream", "iter_csv"),
        ("river.stream.cache", "Cache"),
        ("river.base.base", "inspect"),
        ("river.compose.pipeline", "Pipeline.learn_one"),
        ("river.linear_model.log_reg", "optim"),
        ("recsys.engine", "Engine"),
    ],
)
def test_nothing_that_could_act_is_found(module: str, name: str) -> None:
    found: object = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    with pytest.raises(CorruptRecord, match=f"{module}.{name}, which is not allowed"):
        opened(forged(call(module, name, "x")))


def test_a_module_does_not_lend_what_it_imports() -> None:
    """``river.datasets.base`` is out of bounds, and so is its class under another address."""
    module = importlib.import_module("river.drift.datasets.airline_passengers")
    assert issubclass(module.AirlinePassengers, Dataset)
    with pytest.raises(CorruptRecord, match="not allowed"):
        opened(forged(call(module.__name__, "AirlinePassengers")))


def test_the_mark_tells_keys_apart() -> None:
    assert key_mark(KEY) == key_mark(KEY) != key_mark(b"x" * 32)
    assert KEY not in key_mark(KEY)
