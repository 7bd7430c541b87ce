"""Errors arrive as what they were."""

import msgspec
import pytest

from actors.errors import NotOwned, Overloaded, RuntimeFault, ShardUnavailable
from actors.wire.faults import fault_from, fault_to
from recsys.errors import InvalidEvent, RecsysError, StoreError


@pytest.mark.parametrize(
    "error",
    [
        ShardUnavailable(3, "it is stopping"),
        Overloaded(0, 2.5),
        Overloaded(0, 2),
        NotOwned(1, 63),
        InvalidEvent("/events/0", "too many"),
        RuntimeFault("shard-1 failed: KeyError"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_arrives_as_it_was(error: RecsysError) -> None:
    arrived = fault_from(*fault_to(error))
    assert type(arrived) is type(error)
    assert arrived.args == error.args
    assert str(arrived) == str(error)


def test_an_error_of_another_kind_arrives_as_a_fault_that_says_the_same() -> None:
    kind, said = fault_to(StoreError("the disk is full"))
    assert kind > 0
    arrived = fault_from(kind, said)
    assert type(arrived) is RuntimeFault
    assert str(arrived) == "the disk is full"


@pytest.mark.parametrize(
    ("kind", "said"),
    [(99, b"\x90"), (2, b"\x90"), (2, b""), (3, msgspec.msgpack.encode(("a", "b"))), (5, b"\xc1")],
)
def test_what_another_version_says_is_a_fault(kind: int, said: bytes) -> None:
    assert type(fault_from(kind, said)) is RuntimeFault
