"""Ray's errors in our words, and the search for a shard's successor."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import pytest
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    NodeDiedError,
    PendingCallsLimitExceeded,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)
from typing_extensions import override

from actors.errors import Overloaded, RuntimeFault, ShardUnavailable
from actors.handles import ShardHandle
from actors.lane import Call, Reply
from actors.ray_errors import reason, translate
from actors.ray_port import RayPort
from recsys.errors import InvalidEvent, RecsysError

# Ray does not say what its constructors take.
task_error: Callable[[str, str, Exception], RayTaskError] = RayTaskError
node_error: Callable[[str], NodeDiedError] = NodeDiedError


def raised_in_the_shard(cause: Exception) -> RayTaskError:
    return task_error("call_many", "Traceback ...\nValueError: no such thing", cause)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ActorDiedError(), ShardUnavailable(4, "it has ended and is being opened anew")),
        (ActorUnavailableError("socket closed", None), ShardUnavailable(4, "it is restarting")),
        (GetTimeoutError(), ShardUnavailable(4, "it did not answer in time")),
        (TimeoutError(), ShardUnavailable(4, "it did not answer in time")),
        (PendingCallsLimitExceeded(), Overloaded(4, 1.0)),
        (node_error("the node is gone"), ShardUnavailable(4, "the node is gone")),
        (WorkerCrashedError(), ShardUnavailable(4, reason(WorkerCrashedError()))),
        (raised_in_the_shard(InvalidEvent("/n", "too many")), InvalidEvent("/n", "too many")),
        (raised_in_the_shard(Overloaded(4, 2.0)), Overloaded(4, 2.0)),
        (
            raised_in_the_shard(ValueError("no such thing")),
            RuntimeFault("shard 4 failed: ValueError: no such thing"),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_ray_raises_becomes_ours(
    error: RayError | TimeoutError, expected: RecsysError
) -> None:
    translated = translate(error, 4)
    assert type(translated) is type(expected)
    assert translated.args == expected.args


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            "died\n  File x\nrecsys.errors.StoreLocked: a/log.sqlite is locked",
            "a/log.sqlite is locked",
        ),
        ("actors.errors.StartupError: port 1: taken\n\n", "port 1: taken"),
        (
            "OSError: [Errno 28] No space left on device",
            "OSError: [Errno 28] No space left on device",
        ),
        ("", "RuntimeError"),
    ],
)
def test_the_last_line_of_a_report_is_the_reason(report: str, expected: str) -> None:
    assert reason(RuntimeError(report)) == expected


class PaperShard:
    """A shard's handle whose calls answer at once.

    Attributes
    ----------
    fault
        Raised in place of an answer.
    """

    def __init__(self, name: bytes, fault: RayError | None = None) -> None:
        self.name = name
        self.fault = fault

    @property
    def call_many(self) -> "PaperShard":
        return self

    async def remote(self, calls: Sequence[Call]) -> Sequence[Reply]:
        if self.fault is not None:
            raise self.fault
        return [self.name + b":" + payload for _, payload in calls]


class Names:
    """Who bears a shard's name; counts the look-ups."""

    def __init__(self, *bearers: PaperShard | None) -> None:
        self.bearers = list(bearers)
        self.lookups = 0

    def __call__(self, shard: int) -> ShardHandle:
        self.lookups += 1
        bearer = self.bearers[shard]
        if bearer is None:
            message = "Failed to look up actor"
            raise ValueError(message)
        return cast(ShardHandle, bearer)


async def test_names_are_looked_up_once() -> None:
    names = Names(PaperShard(b"a"), PaperShard(b"b"))
    port = RayPort(2, names)
    assert port.n_shards == 2
    assert await port.call(0, "user", b"x", 5) == b"a:x"
    assert await port.call(1, "append", b"y", 5) == b"b:y"
    assert names.lookups == 2


async def test_a_restarting_shard_keeps_its_handle() -> None:
    shard = PaperShard(b"a", ActorUnavailableError("socket closed", None))
    names = Names(shard)
    port = RayPort(1, names)
    with pytest.raises(ShardUnavailable, match="restarting"):
        await port.call(0, "user", b"x", 5)
    shard.fault = None
    assert await port.call(0, "user", b"x", 5) == b"a:x"
    assert names.lookups == 1


async def test_the_successor_of_a_dead_shard_is_found() -> None:
    names = Names(PaperShard(b"old", ActorDiedError()))
    port = RayPort(1, names, look_again_s=0.001)
    names.bearers[0] = None
    with pytest.raises(ShardUnavailable, match="opened anew"):
        await port.call(0, "user", b"x", 5)
    names.bearers[0] = PaperShard(b"new")
    async with asyncio.timeout(5):
        while True:
            try:
                assert await port.call(0, "user", b"x", 5) == b"new:x"
            except ShardUnavailable:
                await asyncio.sleep(0.001)
            else:
                return


async def test_a_silent_shard_is_unavailable_after_the_deadline() -> None:
    class Silent(PaperShard):
        @override
        async def remote(self, calls: Sequence[Call]) -> Sequence[Reply]:
            await asyncio.Event().wait()
            raise AssertionError

    port = RayPort(1, Names(Silent(b"")))
    with pytest.raises(ShardUnavailable, match="did not answer in time"):
        await port.call(0, "stats", b"", 0.01)
