"""The way from clients to the shard, on which calls and answers are delayed and lost."""

import asyncio
import random
from collections import Counter
from typing import Final

from actors.errors import ShardUnavailable
from actors.messages import Method
from tests.simulation.history import Broken
from tests.simulation.life import Life

__all__ = ["Link"]

_TRAVEL_S: Final = 0.005
_HASTY_S: Final = 0.01
"""After so long some go away."""
_PATIENCE_S: Final = 30.0
"""A call that takes longer is never answered."""


class Link:
    """Carries calls to whichever process is alive.

    Attributes
    ----------
    life
        The process that takes calls; ``None`` while there is none.
    tally
        How many calls ended badly, and how.
    """

    def __init__(self, chance: random.Random) -> None:
        self.life: Life | None = None
        self.tally = Counter[str]()
        self._loss = chance.choice((0.0, 0.05, 0.2))
        self._hurry = chance.choice((0.0, 0.1, 0.4))
        self._chance = chance

    async def call(self, method: Method, payload: bytes) -> bytes:
        """Call the shard once.

        Raises
        ------
        ShardUnavailable
            When no answer came: it may or may not have done it.
        Overloaded, InvalidEvent
            As ``Shard.call``.
        Broken
            When the shard lives and does not answer.
        """
        await self._travel()
        if self.life is None:
            raise ShardUnavailable(0, "nobody is there")
        task, gone = self.life.call(method, payload), self.life.gone
        task.add_done_callback(_heard)
        hasty = self._chance.random() < self._hurry
        try:
            async with asyncio.timeout(_HASTY_S if hasty else _PATIENCE_S):
                await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError as error:
            if not hasty:
                raise Broken(f"{method} was not answered within {_PATIENCE_S:g} s") from error
            if self._chance.random() < 0.5:
                task.cancel()  # the shard hears of some who go away, and not of others
            raise ShardUnavailable(0, "no answer in time") from error
        if not task.done() or task.cancelled():
            self.tally["died"] += 1
            raise ShardUnavailable(0, "it died")
        if (fault := task.exception()) is not None:
            self.tally[type(fault).__name__] += 1
        if self._chance.random() < self._loss:
            raise ShardUnavailable(0, "the answer got lost")
        await self._travel()
        return task.result()

    async def _travel(self) -> None:
        await asyncio.sleep(self._chance.random() * _TRAVEL_S)


def _heard(task: "asyncio.Task[bytes]") -> None:
    """Take note of an error that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
