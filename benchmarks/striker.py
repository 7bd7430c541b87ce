"""Kills shards of a running server as planned, and measures how long they are away."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol

import msgspec

from actors.host.processes import Process, alive
from benchmarks.people import first_list
from benchmarks.strikes import IN_RECOVERY, Strike
from recsys.killpoints import arm, armed, disarm

__all__ = ["Blow", "Striker", "Victims"]

_LOOK_EVERY_S: Final = 0.005
_BACK_S: Final = 90.0
"""A shard that is not back by then never will be."""
_POINT_S: Final = 30.0
"""A point that is not come to by then never will be."""


class Blow(msgspec.Struct, frozen=True):
    """What a strike did to one shard.

    Attributes
    ----------
    points
        Where its processes died, one after the other; ``random`` for any moment.
    recovery_s
        From the last death to the end of the first list for one of its people.
    outage_s
        From the first death to then.
    """

    shard: int
    points: list[str]
    recovery_s: float
    outage_s: float


class Victims(Protocol):
    """A server whose shards watch for orders to die (``recsys.killpoints``)."""

    @property
    def url(self) -> str:
        """Where its API is."""
        ...

    def find_shard(self, index: int) -> Process | None:
        """Return the process that writes a shard's log right now, if there is one."""
        ...

    def shard_folder(self, index: int) -> Path:
        """Return where a shard keeps its state."""
        ...


class Striker:
    """Carries out strikes.

    Parameters
    ----------
    somebody
        A user of each shard, who asks for lists.
    """

    def __init__(self, server: Victims, somebody: Sequence[str]) -> None:
        self._server = server
        self._somebody = somebody

    async def strike(self, strike: Strike) -> list[Blow]:
        """Kill, and return when all is well again.

        Raises
        ------
        RuntimeError
            When there is nobody to kill, or the old process goes on to answer.
        TimeoutError
            When a point is not come to, or a shard does not come back.
        """
        await asyncio.sleep(strike.pause_s)
        async with asyncio.TaskGroup() as group:
            blows = [group.create_task(self._one(shard, strike)) for shard in strike.shards]
        return [blow.result() for blow in blows]

    async def _one(self, shard: int, strike: Strike) -> Blow:
        victim = self._living(shard)
        folder = self._server.shard_folder(shard)
        outside = strike.point is None or strike.point in IN_RECOVERY
        if strike.point is not None:
            arm(folder, strike.point, strike.passes)
        if outside:
            os.kill(victim.pid, signal.SIGKILL)
        async with asyncio.timeout(_POINT_S):
            await _until(lambda: not alive(victim))
        deaths = [perf_counter()]
        points = ["random" if outside else strike.point or ""]
        async with asyncio.timeout(_BACK_S):
            if strike.twice:
                await self._again(shard, victim)
                deaths.append(perf_counter())
                points.append("random")
            answer = asyncio.create_task(first_list(self._server.url, self._somebody[shard]))
            await _until(lambda: answer.done() or not armed(folder))
            if strike.point in IN_RECOVERY and not armed(folder):
                deaths.append(perf_counter())
                points.append(strike.point)
            disarm(folder)  # a recovery with nothing to learn again does not come to all points
            await answer
        back = perf_counter()
        if self._living(shard) == victim:
            message = f"shard {shard} answers from the process that was killed"
            raise RuntimeError(message)
        return Blow(shard, points, round(back - deaths[-1], 3), round(back - deaths[0], 3))

    async def _again(self, shard: int, former: Process) -> None:
        """Kill the next process as soon as it has its log open."""
        await _until(lambda: self._server.find_shard(shard) not in {None, former})
        victim = self._living(shard)
        os.kill(victim.pid, signal.SIGKILL)
        await _until(lambda: not alive(victim))

    def _living(self, shard: int) -> Process:
        process = self._server.find_shard(shard)
        if process is None:
            message = f"no process has the log of shard {shard} open"
            raise RuntimeError(message)
        return process


async def _until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await asyncio.sleep(_LOOK_EVERY_S)
