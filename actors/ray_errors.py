"""Turns what Ray raises into our own errors; nothing above ``ray_port`` knows Ray's."""

import re
from typing import Final

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    PendingCallsLimitExceeded,
    RayError,
    RayTaskError,
)

from actors.errors import Overloaded, RuntimeFault, ShardUnavailable
from recsys.errors import RecsysError

__all__ = ["reason", "translate"]

_CLASS: Final = re.compile(r"^(?:\w+\.)+\w+: ")
"""The dotted class in front of an exception's text, as tracebacks print it."""


def reason(error: BaseException) -> str:
    """Return why an actor could not start, in one line: the last of Ray's report."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return _CLASS.sub("", lines[-1]) if lines else type(error).__name__


def translate(error: RayError | TimeoutError, shard: int) -> RecsysError:
    """Return our error for one that a call of a shard raised.

    Parameters
    ----------
    shard
        Whom the call was for.
    """
    match error:
        case RayTaskError(cause=RecsysError() as cause):
            return cause
        case RayTaskError():
            return RuntimeFault(f"shard {shard} failed: {reason(error)}")
        case PendingCallsLimitExceeded():
            return Overloaded(shard, retry_after_s=1.0)
        case _:
            return ShardUnavailable(shard, _absence(error))


def _absence(error: RayError | TimeoutError) -> str:
    match error:
        case ActorDiedError():
            return "it has ended and is being opened anew"
        case ActorUnavailableError():
            return "it is restarting"
        case GetTimeoutError() | TimeoutError():
            return "it did not answer in time"
        case _:
            return reason(error)
