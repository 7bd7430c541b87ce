"""A seeded plan of kills: at named points in rotation, and at random moments."""

from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from random import Random
from typing import Final

import msgspec

from benchmarks.server import SHARDS
from recsys.killpoints import POINTS

__all__ = ["IN_MOVE", "IN_RECOVERY", "Strike", "plan"]

IN_RECOVERY: Final = ("mid-recovery", "after-recovery")
"""Points that only a process comes to whose predecessor has died."""

IN_MOVE: Final = ("mid-arrival", "before-departure")
"""Points that a process comes to only while partitions move (``benchmarks.mover``)."""

_LONGEST_S: Final = 2.0
_MOST_PASSES: Final = {"before-sync": 5, "after-sync": 5, "mid-recovery": 4, "mid-arrival": 3}
"""What is come to often need not be hit at the first time."""


class Strike(msgspec.Struct, frozen=True):
    """One thing that happens to shards that are well, until they are well again.

    Attributes
    ----------
    shards
        Killed at the same time.
    point
        Where the shard kills itself; ``None`` for a kill from outside, at a random moment.
    passes
        How often it comes to the point until then.
    pause_s
        Before the kill, so that its moment is random.
    twice
        Whether the next process is killed, too, as soon as it has its log open.
    """

    shards: tuple[int, ...]
    point: str | None = None
    passes: int = 1
    pause_s: float = 0.0
    twice: bool = False

    @property
    def kills(self) -> int:
        """How many processes die."""
        return len(self.shards) + (self.twice or self.point in IN_RECOVERY)

    @property
    def name(self) -> str:
        """What happens, in a word or two."""
        if self.point is not None:
            return self.point
        if self.twice:
            return "random, twice"
        return "random, all shards" if len(self.shards) > 1 else "random"


def plan(kills: int, seed: int) -> list[Strike]:
    """Draw so many kills: every point once, then about as many at random as at points.

    Too few kills for every point leave the last points out.
    """
    rng = Random(seed)
    strikes: list[Strike] = []
    for strike in _endless(rng):
        left = kills - sum(one.kills for one in strikes)
        if left <= 0:
            break
        strikes.append(strike if strike.kills <= left else _random(rng))
    return strikes


def _endless(rng: Random) -> Iterator[Strike]:
    done: Counter[bool] = Counter()
    kinds = cycle(("once", "once", "all", "once", "twice"))
    for number, point in enumerate(cycle(POINTS)):
        strike = _at(point, rng)
        # What comes to a point of the recovery was killed at a random moment.
        done[True] += 1
        done[False] += strike.kills - 1
        yield strike
        while number + 1 >= len(POINTS) and done[False] < done[True]:
            strike = _random(rng, next(kinds))
            done[False] += strike.kills
            yield strike


def _at(point: str, rng: Random) -> Strike:
    return Strike(
        shards=(rng.randrange(SHARDS),),
        point=point,
        passes=rng.randint(1, _MOST_PASSES.get(point, 1)),
        pause_s=_pause(rng) if point in IN_RECOVERY else 0.0,
    )


def _random(rng: Random, kind: str = "once") -> Strike:
    shards = tuple(range(SHARDS)) if kind == "all" else (rng.randrange(SHARDS),)
    return Strike(shards=shards, pause_s=_pause(rng), twice=kind == "twice")


def _pause(rng: Random) -> float:
    return round(rng.random() * _LONGEST_S, 3)
