"""The mixer at work: asks every shard what its people have done, and tells it what others' have.

Each shard is attended to by a task of its own, so that one that is slow or dead holds nobody up.
All begin their rounds at the same moments, and are told a little later than they are asked: so what
one of them says reaches the others in the same round, not by luck.
Nothing is durable here: a mixer that begins anew asks the shards how far they are.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Final, TypeVar

import msgspec

from actors.errors import RuntimeFault
from actors.messages import MIX, encode
from actors.mix_calls import Average, Base, Hear, Learn, MixCall, Rebase, See, Seen, TellBase
from actors.ports import ShardPort
from recsys.errors import CorruptRecord, InvalidEvent
from recsys.mixing.average import Answer
from recsys.mixing.cut import Contribution
from recsys.mixing.mixer import Mixer
from recsys.mixing.port import Position
from recsys.settings import MixSettings

__all__ = ["MixerAtWork"]

_log = logging.getLogger(__name__)

_FEW: Final = 4
"""Pieces in one call: between two calls, the shard takes what its own people do."""
_LEISURE: Final = 0.5
"""Of a round: so long a shard has a pause after each call, for nobody waits for these lessons.

All shards are told at the same time. Learned in one go, a second's lessons would keep every core
busy for a tenth of it, and all lists of that time would wait.
"""
_PAUSE: Final = 2.0
"""Times as long as the call before took."""
_MOST: Final = 16
"""Pieces in one call, and no pauses, when that was not enough."""
_TURNS: Final = 256
"""Calls with pieces in one round; a shard that is further behind goes on in the next."""
_CALL_S: Final = 10.0
_PATIENCE_S: Final = 0.1
"""So long a shard that has answered waits for the answers of the others before it is told."""
_GIVEN_UP_S: Final = 30.0
"""A shard that does not answer for so long does not keep others' lessons waiting any more."""

T = TypeVar("T")


class MixerAtWork:
    """The mixer of one server.

    Parameters
    ----------
    port
        Reaches the shards.
    notice
        Takes a sentence for the operator.

    Attributes
    ----------
    mixer
        What it knows.
    """

    def __init__(
        self, port: ShardPort, settings: MixSettings, notice: Callable[[str], None]
    ) -> None:
        self.mixer = Mixer(settings.backlog_bytes, settings.per_s)
        self._port = port
        self._settings = settings
        self._notice = notice
        self._names: dict[int, str] = {}
        self._answers: dict[str, Answer] = {}
        self._reported_s: dict[int, float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._beginning = asyncio.Lock()
        self._begun = False
        self._asking: set[int] = set()
        self._all_answered = asyncio.Event()

    def start(self) -> None:
        """Begin; waits for nothing."""
        self._asking = set(range(self._port.n_shards))
        self._tasks = [
            asyncio.create_task(self._attend(shard), name=f"mix-{shard}")
            for shard in range(self._port.n_shards)
        ]
        self._tasks.append(asyncio.create_task(self._rankers(), name="mix-rankers"))

    async def begin(self) -> None:
        """Hear how far all shards are that answer, once; every round waits for it.

        What all of those have whom a mixer knows is dropped, so it must know them.
        """
        async with self._beginning:
            if not self._begun:
                await asyncio.gather(
                    *(self._hear(shard) for shard in range(self._port.n_shards)),
                    return_exceptions=True,
                )
                self._begun = True

    async def _hear(self, shard: int) -> str:
        position = await self._call(shard, Hear(), Position)
        self._names[shard] = position.shard
        self.mixer.hear(position)
        return position.shard

    async def stop(self) -> None:
        """End; what is under way may be learned or not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _attend(self, shard: int) -> None:
        """Mix one shard, round after round."""
        heard_s = monotonic()
        fault = ""
        while True:
            try:
                await self.round(shard)
            except (RuntimeFault, InvalidEvent, CorruptRecord) as error:
                # Shards that are opened anew are nothing new; who is away for long is forgotten.
                if monotonic() - heard_s > _GIVEN_UP_S and (name := self._names.pop(shard, None)):
                    self.mixer.forget(name)
                    self._notice(f"shard {shard} does not mix: {error}")
            except Exception as error:
                if fault != (fault := f"{type(error).__name__}: {error}"):
                    _log.exception("the mixing of shard %d failed", shard)
                    self._notice(f"the mixing of shard {shard} failed and goes on: {fault}")
            else:
                heard_s = monotonic()
                fault = ""
            await self._next_round(shard)

    async def _next_round(self, shard: int) -> None:
        """Wait for the moment at which the rounds of all begin."""
        loop, every_s = asyncio.get_running_loop(), self._settings.every_s
        # From here on: whoever wakes first must know that the others are about to be asked, too.
        self._asking.add(shard)
        self._all_answered.clear()
        await asyncio.sleep(every_s - loop.time() % every_s)

    async def round(self, shard: int) -> None:
        """Hear of one shard what its people have done, and tell it what others' have.

        Raises
        ------
        RuntimeFault
            When it does not answer, or has no room now; the next round goes on.
        """
        try:
            name = await self._ask(shard)
        finally:
            self._asking.discard(shard)
            if not self._asking:
                self._all_answered.set()
        # Not for ever: one that is slow holds nobody up.
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._all_answered.wait()
        await self._tell(shard, name)

    async def _ask(self, shard: int) -> str:
        """Hear of one shard what its people have done; returns its name."""
        await self.begin()
        name = await self._hear(shard)
        # Before it reports its ranker again: a report without this would be for nothing.
        if (answer := self._answers.pop(name, None)) is not None:
            average = Average(answer.version, answer.record, answer.examples)
            await self._call(shard, average, type(None))
        ask = self.mixer.ask(name)
        # A model of Vowpal Wabbit is long: nobody reports more often than it is asked for.
        now_s = monotonic()
        due = now_s - self._reported_s.get(shard, -inf) >= self._settings.ranker_every_s
        seen = await self._call(shard, See(ask.after, ask.share, due, ask.stops), Seen)
        if due:
            self._reported_s[shard] = now_s
        rate = seen.waiting / self._settings.every_s
        self.mixer.take(name, seen.pieces, seen.ranking, rate)
        return name

    async def _tell(self, shard: int, name: str) -> None:
        """Tell one shard what others' people have done."""
        donor = self.mixer.needs_base(name)
        if donor is not None and await self._rebase(shard, donor):
            return
        leisure_s = _LEISURE * self._settings.every_s
        begun_s = monotonic()
        for _ in range(_TURNS):
            called_s = monotonic()
            leisurely = called_s - begun_s < leisure_s
            serving = self.mixer.serving(name, _FEW if leisurely else _MOST)
            if not serving.lessons:
                break
            learn = Learn(tuple(serving.lessons), serving.released)
            position = await self._call(shard, learn, Position)
            self.mixer.told(name, serving.lessons)
            self.mixer.hear(position)
            if serving.gaps:
                self._say_missed(shard, position, serving.gaps)
            if leisurely:
                await asyncio.sleep(min(_PAUSE * (monotonic() - called_s), leisure_s))

    async def _rebase(self, shard: int, donor: str) -> bool:
        """Give a shard what another one knows; return whether it could be done."""
        giver = next((one for one, name in self._names.items() if name == donor), None)
        if giver is None:
            return False
        self._notice(f"shard {shard} has missed too much of the others: it gets what {giver} knows")
        number, parts = 0, 1
        while number < parts:
            base = await self._call(giver, TellBase(number), Base)
            parts = base.parts
            told = Rebase(donor, number, number == parts - 1, base.record)
            self.mixer.hear(await self._call(shard, told, Position))
            number += 1
        return True

    def _say_missed(self, shard: int, position: Position, gaps: Sequence[Contribution]) -> None:
        numbers = {name: number for number, name in self._names.items()}
        spans = ", ".join(
            f"{one.after + 1} to {one.upto} of shard {numbers.get(one.shard, one.shard)}"
            for one in gaps
        )
        why = (
            f"a base would take the place of what shard {shard} learned before it mixed"
            if position.untold
            else f"whoever could give it a base lacks some of what shard {shard} has seen"
        )
        self._notice(
            f"shard {shard} goes on without some of what others have seen, because nobody keeps it "
            f"any more and {why}: events {spans}"
        )

    async def _rankers(self) -> None:
        """Bring rankers together."""
        fault = ""
        while True:
            await asyncio.sleep(self._settings.ranker_every_s)
            try:
                self._answers.update(self.mixer.rankers())
            except Exception as error:
                if fault != (fault := f"{type(error).__name__}: {error}"):
                    _log.exception("the rankers were not brought together")
                    self._notice(f"the rankers were not brought together: {fault}")
            else:
                fault = ""

    async def _call(self, shard: int, call: MixCall, kind: type[T]) -> T:
        answer = await self._port.call(shard, MIX, encode(call), _CALL_S)
        return msgspec.msgpack.decode(answer, type=kind)
