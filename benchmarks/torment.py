"""Puts a running server through ordeals, and says what people saw of each and what was wrong."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final, Protocol

import msgspec

from actors.host.processes import Process, alive
from benchmarks.holds import full, refused, stopped
from benchmarks.ordeals import HELD, TITLES, Kind, Ordeal
from benchmarks.probes import Probe, longest_gap
from benchmarks.striker import Victims
from benchmarks.terms import broken_outages, broken_while_full, broken_while_stopped, to_be_told

__all__ = ["Suffered", "Target", "Tormentor"]

_LOOK_EVERY_S: Final = 0.05
_BACK_S: Final = 90.0
"""What is not well by then never will be."""
_TOLD_S: Final = 5.0
"""An operator reads of it by then."""


class Target(Victims, Protocol):
    """A server, its processes, and what it prints."""

    def processes(self, title: str) -> list[Process]:
        """Return its processes that call themselves so."""
        ...

    def output(self) -> str:
        """Return what its operator reads."""
        ...


class Suffered(msgspec.Struct, frozen=True):
    """What became of an ordeal.

    Attributes
    ----------
    outage_s, silence_s
        Longest time without a list, and without an ack, for those whom it hit.
    others_s
        Longest time without a list for people of the other shards, ``None`` where it hit all.
    slowest_s
        Longest time that a request took until it was answered or given up.
    refusals
        What came in place of lists and acks, and how often.
    broken
        What should have been otherwise.
    """

    ordeal: Ordeal
    outage_s: float
    silence_s: float
    others_s: float | None
    slowest_s: float
    refusals: dict[str, int]
    broken: list[str]


class Tormentor:
    """Does one ordeal after the other.

    Parameters
    ----------
    probes
        By shard; they run.
    after_s
        What only shows when all is well again is looked out for so long.
    """

    def __init__(self, server: Target, probes: Sequence[Probe], after_s: float) -> None:
        self._server = server
        self._probes = probes
        self._after_s = after_s

    async def put_through(self, ordeal: Ordeal) -> Suffered:
        """Let it happen, and return when all is well again.

        Raises
        ------
        RuntimeError
            When there is nobody to kill.
        TimeoutError
            When all is not well again in time.
        """
        await self.well(self._probes, perf_counter())
        await asyncio.sleep(ordeal.pause_s)
        for probe in self._probes:
            probe.forget()
        shards = {shard: self._server.find_shard(shard) for shard in range(len(self._probes))}
        read = len(await asyncio.to_thread(self._server.output))
        started_s = perf_counter()
        if ordeal.kind in HELD:
            broken = await self._hold(ordeal)
            hit = [self._probes[ordeal.shard]]
        else:
            await self._kill(ordeal.kind)
            broken, hit = [], list(self._probes)
        await self.well(self._probes, perf_counter())
        await asyncio.sleep(self._after_s)
        ended_s = perf_counter()
        outage_s = max(longest_gap(probe.lists, started_s, ended_s) for probe in hit)
        others = [longest_gap(p.lists, started_s, ended_s) for p in self._probes if p not in hit]
        broken += broken_outages(ordeal, outage_s, max(others, default=0.0))
        broken += await self._told(to_be_told(ordeal), read)
        if any(self._server.find_shard(shard) != owner for shard, owner in shards.items()):
            broken.append("a shard has another process, though none had to die")
        answers = [answer for probe in self._probes for answer in (*probe.lists, *probe.acks)]
        return Suffered(
            ordeal=ordeal,
            outage_s=round(outage_s, 2),
            silence_s=round(max(longest_gap(p.acks, started_s, ended_s) for p in hit), 2),
            others_s=round(max(others), 2) if others else None,
            slowest_s=round(max(answer.took_s for answer in answers), 2),
            refusals=_refusals(self._probes),
            broken=broken,
        )

    async def well(self, probes: Sequence[Probe], since_s: float) -> None:
        """Wait until people of each shard are served who asked after a moment."""
        await _until(lambda: all(probe.well_since(since_s) for probe in probes))

    async def _kill(self, kind: Kind) -> None:
        """Kill all processes of a kind, and wait until there are others."""
        titles = TITLES[kind]
        found = {title: self._server.processes(title) for title in titles}
        if not all(found.values()):
            message = f"there is nobody to kill: {found}"
            raise RuntimeError(message)
        victims = [process for processes in found.values() for process in processes]
        for victim in victims:
            os.kill(victim.pid, signal.SIGKILL)
        await _until(lambda: not any(alive(victim) for victim in victims))
        for title in titles:
            await self._replaced(title, victims)

    async def _replaced(self, title: str, victims: Sequence[Process]) -> None:
        async with asyncio.timeout(_BACK_S):
            while True:
                living = await asyncio.to_thread(self._server.processes, title)
                if not set(living) <= set(victims):
                    return
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _hold(self, ordeal: Ordeal) -> list[str]:
        """Keep a shard from working, or from writing; return what was wrong."""
        owner = self._server.find_shard(ordeal.shard)
        if owner is None:
            return [f"no process has the log of shard {ordeal.shard} open"]
        pause = ordeal.kind == "pause"
        hold, check = (stopped, broken_while_stopped) if pause else (full, broken_while_full)
        probe, started_s = self._probes[ordeal.shard], perf_counter()
        with hold(owner):
            held_s = perf_counter()
            shut = await refused(self._server.shard_folder(ordeal.shard) / "log.sqlite")
            if ordeal.meanwhile is not None:
                await self._kill(ordeal.meanwhile)
            await asyncio.sleep(max(0.0, started_s + ordeal.lasts_s - perf_counter()))
            freed_s = perf_counter()
        await self.well([probe], freed_s)
        broken = [] if shut else ["another process was let in to its log"]
        # Of what was under way when it began, only a refusal says anything.
        lists, acks = (
            [one for one in seen if (one.asked_s if one.good else one.answered_s) > held_s]
            for seen in (probe.lists, probe.acks)
        )
        return broken + check(ordeal, lists, acks, freed_s)

    async def _told(self, wanted: Sequence[str], read: int) -> list[str]:
        """Return what the operator should read, after what was read before, and does not."""
        deadline_s = perf_counter() + _TOLD_S
        while True:
            told = (await asyncio.to_thread(self._server.output))[read:]
            missing = [f"nobody said: {text}" for text in wanted if text not in told]
            if not missing or perf_counter() > deadline_s:
                return missing
            await asyncio.sleep(_LOOK_EVERY_S)


def _refusals(probes: Sequence[Probe]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for probe in probes:
        for text, count in probe.refusals().items():
            counts[text] = counts.get(text, 0) + count
    return counts


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_BACK_S):
        while True:
            if condition():
                return
            await asyncio.sleep(_LOOK_EVERY_S)
