"""What the fold counts, beside what it learns."""

import msgspec

from recsys.views import ArmStats, Base

__all__ = ["Counters", "Move"]


class Move(msgspec.Struct, frozen=True):
    """The last move of a partition: epoch of the shard map, and whether it came or went."""

    epoch: int
    came: bool


class Counters(msgspec.Struct):
    """What the fold counts.

    Attributes
    ----------
    moves
        By partition.
    clock_ms
        The latest time that an event has named: the joiner's clock.
    choices, listed
        That the learner has learned, and how many of them were made on lists.
    quarantined
        Events that were taken out of the log, those of people who were erased left aside.
    """

    sequence: int = 0
    clock_ms: int = 0
    feedback: dict[str, int] = {}
    arms: dict[str, ArmStats] = {}
    examples: int = 0
    choices: int = 0
    listed: int = 0
    replayed: int = 0
    failed: int = 0
    base: Base = Base()
    moves: dict[int, Move] = {}
    quarantined: int = 0
