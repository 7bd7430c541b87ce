"""One world per seed: a shard, its clients, an outside log, and a disk on which things go wrong."""

import asyncio
import hashlib
import itertools
import logging
import random
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest.mock import patch

from typing_extensions import override

from recsys.codec import encode_event
from recsys.errors import StoreError
from tests.simulation import vfs
from tests.simulation.clients import Client, prove
from tests.simulation.disk import Disk, Troubles
from tests.simulation.history import Broken, History
from tests.simulation.life import Kinds, Life
from tests.simulation.link import Link
from tests.simulation.loop import Loop
from tests.simulation.plan import Plan, troubles
from tests.simulation.source import Source

__all__ = ["Verdict", "simulate"]

_DEADLINE_S: Final = 900.0
"""Of simulated time; by then everybody must have an answer."""


@dataclass(frozen=True)
class Verdict:
    """How a world ended.

    Attributes
    ----------
    wrong
        The first promise that was broken, empty when all were kept.
    trace
        Digest of all that happened: equal whenever the same seed is lived through again.
    tally
        How much happened, by kind.
    """

    seed: int
    wrong: str
    trace: str
    tally: Counter[str]


def simulate(seed: int, kinds: Kinds | None = None) -> Verdict:
    """Live through the world of a seed.

    Raises
    ------
    NoVfs
        When SQLite cannot be given a simulated disk here.
    """
    vfs.register()
    vfs.seed_salts(seed + 1)
    world = World(seed, kinds or Kinds())
    wrong = ""
    try:
        with _overheard() as overheard:
            world.live()
        if overheard:
            wrong = f"logged: {overheard[0].getMessage()}: {overheard[0].exc_info}"
    except Exception as error:
        wrong = _told(error)
    finally:
        world.close()
        vfs.seed_salts(0)
    return Verdict(seed, wrong, world.trace(), world.tally())


def _told(error: BaseException) -> str:
    """Return what an error says, or the first of those that came together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"


class World:
    """Everything that one seed determines."""

    def __init__(self, seed: int, kinds: Kinds) -> None:
        self.chance = random.Random(seed)
        self.plan = Plan.draw(self.chance)
        self.loop = Loop(self._chance(), patience_s=self.chance.choice((0.0, 0.005, 0.05)))
        self.history = History(self.plan.settings)
        self.link = Link(self._chance())
        self.source = Source("clicks-0", self.plan.records, self.loop.now_ms())
        self._kinds = kinds
        self._disk = Disk(self._chance())
        self._lives = itertools.count(1)
        self._left = self.plan.lives
        self._done = False
        self._last: Life | None = None
        self._ends = Counter[str]()

    def _chance(self) -> random.Random:
        return random.Random(self.chance.getrandbits(64))

    def live(self) -> None:
        """Let it happen.

        Raises
        ------
        Broken
            At the first broken promise.
        """
        with (
            patch("actors.batcher.now_ms", self.loop.now_ms),
            patch("actors.shard.now_ms", self.loop.now_ms),
        ):
            self.loop.run_until_complete(self._live())
        if self.loop.faults:
            raise self.loop.faults[0]

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._last is not None:
            self._last.close()
        self.loop.close()

    def tally(self) -> Counter[str]:
        """Return how much happened."""
        return self._ends + self.link.tally + self.history.tally()

    def trace(self) -> str:
        """Return a digest of the log, of the time, and of every draw."""
        digest = hashlib.blake2b(digest_size=8)
        for event in self.history.log:
            digest.update(encode_event(event))
        digest.update(repr((self.loop.time(), self.chance.getstate())).encode())
        return digest.hexdigest()

    async def _live(self) -> None:
        async with asyncio.timeout(_DEADLINE_S), asyncio.TaskGroup() as group:
            serving = group.create_task(self._serve())
            async with asyncio.TaskGroup() as everybody:
                for number in range(self.plan.clients):
                    client = Client(
                        f"c{number}", self.link, self.history, self._chance(), self.loop
                    )
                    everybody.create_task(client.live(self.plan.deeds))
                everybody.create_task(
                    self.source.feed(self.link, self.history, self._chance(), self.loop)
                )
            self._done = True
            await serving

    async def _serve(self) -> None:
        """Keep a shard running until everybody is done and it was stopped; look what it left."""
        stopped = False
        while not stopped:
            life = await self._open()
            self._disk.arm(self._troubles(opening=False))
            await life.start()
            self.link.life = life
            stopped = await self._until_over(life)
            self.link.life = None
            await asyncio.sleep(self.chance.random() * 0.2)
        life = await self._open()
        if life.store.snapshot_sequence != life.store.last_sequence:
            raise Broken("a shard that was stopped has left events out of its last snapshot")
        await life.end()

    def _troubles(self, *, opening: bool) -> Troubles:
        if not self._left or self._done:
            return Troubles()
        return troubles(self.chance, opening=opening)

    async def _open(self) -> Life:
        """Start a process, again and again while its disk fails, and check what it found."""
        while True:
            opening = self.chance.random() < 0.3
            self._disk.arm(self._troubles(opening=True) if opening else Troubles())
            try:
                life = Life(next(self._lives), self.plan, self._disk, self.loop, self._kinds)
                self._last = life
                self.history.check(life.store, life.engine)
            except StoreError:
                if not self._disk.hurt:
                    raise
                if self._last is not None:
                    self._last.close()
                self._next_disk("cut" if self._disk.dead else self.chance.choice(("cut", "kill")))
                continue
            life.engine.history = self.history
            life.engine.sources = self.source.places
            return life

    async def _until_over(self, life: Life) -> bool:
        """Let a process live until something ends it; say whether that was the very end."""
        ends = self.loop.time() + self.chance.choice((0.3, 1.0, 5.0))
        while not self._disk.dead and not self._done:
            if self._left and (self._disk.hurt == "flush" or self.loop.time() > ends):
                break
            await asyncio.sleep(0.02)
        self._left = max(0, self._left - 1)
        stopped = self._done and not self._disk.dead and self._disk.hurt != "flush"
        if stopped:
            self._disk.arm(Troubles())
            await prove(life, self.history, self.loop)
            await life.stop()
            end = "cut"
        else:
            await asyncio.sleep(self.chance.random() * 0.05)
            end = self.chance.choice(("cut", "kill", "stop"))
            if end == "stop":
                await life.stop()
            if end == "stop" or self._disk.dead:
                end = "cut" if self._disk.dead else self.chance.choice(("cut", "kill"))
        dead = self._disk.dead
        await life.end()
        self._next_disk("cut" if dead else end)
        return stopped

    def _next_disk(self, end: str) -> None:
        self._ends[end] += 1
        self._ends[f"disk {self._disk.hurt or 'sound'}"] += 1
        if end == "kill":
            self._disk = self._disk.after_kill()
        else:
            share = self.chance.choice((0.0, 1.0, self.chance.random()))
            self._disk = self._disk.after_power_cut(share)


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        # That the disk fails is told without a trace, or is the reason of one.
        if record.exc_info and not isinstance(record.exc_info[1], StoreError):
            self.heard.append(record)


@contextmanager
def _overheard() -> Iterator[list[logging.LogRecord]]:
    """Collect the faults that the shard caught and logged; keep its log to itself."""
    ear = _Ear()
    loggers = [logging.getLogger(name) for name in ("actors", "recsys")]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.propagate = False
        logger.addHandler(ear)
    try:
        yield ear.heard
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.propagate = propagate
            logger.removeHandler(ear)
