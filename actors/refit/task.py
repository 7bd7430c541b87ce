"""A refit beside the running shard, in a process of its own that lets everybody else go first."""

import os
from collections.abc import Iterable
from typing import Final

import ray
from ray.exceptions import RayError
from typing_extensions import override

from actors.errors import RuntimeFault
from actors.handles import ShardHandle
from actors.messages import (
    APPEND,
    LOG,
    STATS,
    Appended,
    Batch,
    LogAfter,
    LogPart,
    Method,
    ShardStats,
    decode,
    encode,
)
from actors.ray_errors import translate
from actors.refit.job import Log, Order, Outcome, run
from recsys.clock import now_ms
from recsys.errors import InvalidEvent, RecsysError
from recsys.events import Adopt, Event
from recsys.settings import EngineSettings

__all__ = ["ActorLog", "refit_shard"]

_PART: Final = 500
"""Events asked for at once: the shard's commits wait while it reads them."""
_NICENESS: Final = 15
_TIMEOUT_S: Final = 60.0


class ActorLog(Log):
    """The log of a running shard."""

    def __init__(self, shard: int, handle: ShardHandle) -> None:
        self._shard = shard
        self._handle = handle

    @override
    def after(self, sequence: int) -> Iterable[tuple[int, Event]]:
        while True:
            part = decode(self._call(LOG, encode(LogAfter(sequence, _PART))), LogPart)
            if not part.events:
                return
            yield from part.events
            sequence = part.events[-1][0]

    @override
    def adopt(self, event: Adopt) -> str | None:
        try:
            batch = Batch(events=(event,), received_ms=now_ms())
            decode(self._call(APPEND, encode(batch)), Appended)
        except InvalidEvent as error:
            return str(error)
        base = decode(self._call(STATS, encode(None)), ShardStats).engine.base
        return None if base.digest == event.digest else "it could not be learned; see its log"

    def _call(self, method: Method, payload: bytes) -> bytes:
        try:
            (reply,) = ray.get(
                self._handle.call_many.remote([(method, payload)]), timeout=_TIMEOUT_S
            )
        except RayError as error:
            raise translate(error, self._shard) from error
        if isinstance(reply, RecsysError):
            raise reply
        return reply


def refit_shard(shard: int, handle: ShardHandle, settings: EngineSettings, order: Order) -> Outcome:
    """Be the task of one shard.

    Raises
    ------
    RecsysError
        When the log cannot be read, or the shard does not answer.
    """
    os.nice(_NICENESS)
    try:
        return run(shard, ActorLog(shard, handle), settings, order)
    except RecsysError:
        raise
    except Exception as error:
        message = f"the refit of shard {shard} failed: {type(error).__name__}: {error}"
        raise RuntimeFault(message) from error
