"""Errors of the runtime.

::

    RuntimeFault(RecsysError)
    ├── ShardUnavailable   no answer: it may or may not have done it; ask again with the same ids
    ├── Overloaded         its queue is full; nothing was done
    ├── NotOwned           another shard owns the partition; nothing was done
    ├── MixFailed          a shard does not mix, or not now
    ├── MoveFailed         a partition was not moved, or it will turn out whether it was
    ├── StartupError       the runtime cannot start; the message says what to do
    └── CopyError          a copy could not be made, or is not what was made
"""

from typing_extensions import override

from recsys.errors import RecsysError

__all__ = [
    "CopyError",
    "MixFailed",
    "MoveFailed",
    "NotOwned",
    "Overloaded",
    "RuntimeFault",
    "ShardUnavailable",
    "StartupError",
]


class RuntimeFault(RecsysError):
    """Root of the tree."""


class ShardUnavailable(RuntimeFault):
    """A shard did not answer in time or is restarting.

    Parameters
    ----------
    shard
        Its number.
    reason
        One sentence for the log and the problem document.
    """

    def __init__(self, shard: int, reason: str) -> None:
        super().__init__(shard, reason)
        self.shard = shard
        self.reason = reason

    @override
    def __str__(self) -> str:
        return f"shard {self.shard} is unavailable: {self.reason}"


class Overloaded(RuntimeFault):
    """A bounded queue is full.

    Parameters
    ----------
    shard
        Its number.
    retry_after_s
        When to ask again.
    """

    def __init__(self, shard: int, retry_after_s: float) -> None:
        super().__init__(shard, retry_after_s)
        self.shard = shard
        self.retry_after_s = retry_after_s

    @override
    def __str__(self) -> str:
        return f"the queue of shard {self.shard} is full; retry after {self.retry_after_s:g} s"


class NotOwned(RuntimeFault):
    """Another shard owns somebody's partition, or is about to; nothing was done.

    Parameters
    ----------
    shard
        Who was asked.
    partition
        Whose owner must be looked up anew.
    """

    def __init__(self, shard: int, partition: int) -> None:
        super().__init__(shard, partition)
        self.shard = shard
        self.partition = partition

    @override
    def __str__(self) -> str:
        return f"partition {self.partition} is not with shard {self.shard}"


class MixFailed(RuntimeFault):
    """A shard does not mix, or cannot do what a mixer asks right now."""


class MoveFailed(RuntimeFault):
    """A partition did not move to another shard.

    Parameters
    ----------
    partition
        Which one.
    reason
        One sentence for the operator.
    """

    def __init__(self, partition: int, reason: str) -> None:
        super().__init__(partition, reason)
        self.partition = partition
        self.reason = reason

    @override
    def __str__(self) -> str:
        return f"partition {self.partition} was not moved: {self.reason}"


class StartupError(RuntimeFault):
    """A port is busy, a setting is wrong, a file is locked."""


class CopyError(RuntimeFault):
    """A copy could not be made, or what came back is not what was made."""
