"""A shard's part in mixing: what it tells a mixer, and how it is told what others have seen.

What it is told becomes events of its log, which go through the group commit as all others do.
"""

from collections.abc import Sequence

import msgspec

from actors.batcher import Batcher
from actors.errors import MixFailed
from actors.home import Blocking
from actors.mix_calls import (
    Average,
    Base,
    Hear,
    Learn,
    MixCall,
    Rebase,
    See,
    Seen,
    TellBase,
    mixing_name,
)
from recsys.clock import now_ms
from recsys.engine import Engine
from recsys.events import Event
from recsys.mixing.average import Answer
from recsys.mixing.port import Position

__all__ = ["ShardMixing"]

_WORTH_IT = 1000
"""Lessons, or events that a snapshot contains, for which it is worth a write to drop them."""

_decoder: msgspec.msgpack.Decoder[MixCall] = msgspec.msgpack.Decoder(MixCall)


class ShardMixing:
    """The mixing of one shard.

    Parameters
    ----------
    blocking
        Runs something on the store's thread.
    """

    def __init__(self, index: int, engine: Engine, batcher: Batcher, blocking: Blocking) -> None:
        self._name = mixing_name(index, engine.key)
        self._settings = engine.settings.mix
        self._engine = engine
        self._batcher = batcher
        self._blocking = blocking
        self._base: list[bytes] = []
        # Up to where it told a base: whoever gets that is there before anybody knows.
        self._given = set[int]()

    async def answer(self, payload: bytes) -> object:
        """Do what ``actors.mix_calls`` says.

        Raises
        ------
        MixFailed
            When the shard cannot do it now, or does not mix.
        RuntimeFault
            As ``Batcher.submit``.
        """
        call = _decoder.decode(payload)
        if not self._settings.enabled:
            message = "this shard does not mix"
            raise MixFailed(message)
        match call:
            case Hear():
                return await self._hear()
            case See():
                return await self._see(call)
            case Learn():
                return await self._learn(call)
            case Average():
                shift = Answer(call.version, call.record, call.examples)
                await self._put([self._engine.mix.averaged(shift)])
                return None
            case TellBase():
                return await self._tell_base(call.number)
            case Rebase():
                return await self._rebase(call)

    async def bury(self) -> None:
        """Take what a snapshot contains for long out of the log, once it is much.

        Raises
        ------
        StoreError
            When the store cannot write.
        """
        snapshot = self._engine.store.snapshot_sequence
        contained = self._engine.mix.contained(snapshot)
        if len(contained) >= _WORTH_IT:
            await self._blocking(lambda: self._engine.store.bury(contained, "contained"))

    async def _hear(self) -> Position:
        begin = self._engine.mix.begin(self._name)
        if begin is not None:
            await self._put([begin])
        return self._engine.mix.position

    async def _see(self, call: See) -> Seen:
        mix = self._engine.mix
        cut = mix.cut(call.after)
        ranking = mix.ranking() if call.ranker else None
        if cut is None:
            return Seen(ranking=ranking)
        self._given = {sequence for sequence in self._given if sequence > call.after}
        size, stops = self._settings.slice, (*call.stops, *self._given)
        pieces = await self._blocking(lambda: tuple(cut.seal(size, call.share, stops)))
        return Seen(pieces, ranking, len(cut))

    async def _learn(self, call: Learn) -> Position:
        mix = self._engine.mix
        await self._put([mix.mixed(piece, call.released) for piece in call.lessons])
        position = mix.position
        if call.released > position.released and position.waiting >= _WORTH_IT:
            await self._put([mix.release(call.released)])
        return mix.position

    async def _tell_base(self, number: int) -> Base:
        if number == 0:
            async with self._batcher.learning:
                self._base = self._engine.mix.base()
                self._given.add(self._engine.mix.position.sequence)
        if number >= len(self._base):
            message = f"there is no part {number} of a base; begin with 0"
            raise MixFailed(message)
        part = Base(self._base[number], len(self._base))
        if number == len(self._base) - 1:
            self._base = []
        return part

    async def _rebase(self, call: Rebase) -> Position:
        part = self._engine.mix.rebased_part(call.shard, call.number, call.record, last=call.last)
        await self._put([part])
        return self._engine.mix.position

    async def _put(self, events: Sequence[Event]) -> None:
        if events:
            self._engine.check(events)
            await self._batcher.submit(events, now_ms(), counted=False)
