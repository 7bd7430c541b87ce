"""The shards as the routes see them: typed calls, and who owns what."""

import asyncio
import re
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

import msgspec

from actors.errors import NotOwned, Overloaded, RuntimeFault, ShardUnavailable
from actors.http.schema import StatsAnswer, UnavailableShard
from actors.http.shares import Shares
from actors.http.spread import spread
from actors.http.whereabouts import Whereabouts
from actors.messages import (
    APPEND,
    DECISION,
    ERASE,
    ERASURE,
    LETTERS,
    RECOMMEND,
    RECOMMEND_MANY,
    STATS,
    USER,
    Appended,
    Batch,
    Erase,
    Letter,
    Letters,
    Lookup,
    Method,
    Recommendations,
    Requests,
    ShardStats,
    encode,
)
from actors.ports import ShardPort
from actors.settings import ServerSettings
from recsys.clock import now_ms
from recsys.decision import Request
from recsys.errors import InvalidEvent
from recsys.events import Decision, Event, Feedback
from recsys.ids import new_id
from recsys.store.base import Append
from recsys.store.records import Erasure
from recsys.views import ArmStats, UserView

__all__ = ["PartlyRefused", "Shards"]

_LIST: Final = b'{"decision_id":'
"""How a list begins, which is copied as it is. Over the wire versions have been compared; Ray calls
compare none."""
_DECISION_ID: Final = re.compile(r"([0-9a-f]{1,5})-[0-9a-f]{32}")

T = TypeVar("T")


class PartlyRefused(Exception):
    """One shard has no place for what others took, or may have.

    Parameters
    ----------
    shard
        Which one.
    refusal
        What it said.
    """

    def __init__(self, shard: int, refusal: InvalidEvent) -> None:
        super().__init__(shard, refusal)
        self.shard = shard
        self.refusal = refusal


class Shards:
    """Routes calls: user to partition to shard, decision to partition to shard."""

    def __init__(self, port: ShardPort, settings: ServerSettings, whereabouts: Whereabouts) -> None:
        self._port = port
        self._whereabouts = whereabouts
        self._shares = Shares(port.n_shards, settings.http.max_ongoing_requests)
        self._timeout_s = settings.http.shard_timeout_s
        self._recommendations = msgspec.msgpack.Decoder(Recommendations)
        self._appended = msgspec.msgpack.Decoder(Appended)
        self._user: msgspec.msgpack.Decoder[UserView | None] = msgspec.msgpack.Decoder(
            UserView | None
        )
        self._decision: msgspec.msgpack.Decoder[Decision | None] = msgspec.msgpack.Decoder(
            Decision | None
        )
        self._stats = msgspec.msgpack.Decoder(ShardStats)
        self._erasure: msgspec.msgpack.Decoder[Erasure | None] = msgspec.msgpack.Decoder(
            Erasure | None
        )
        self._letters = msgspec.msgpack.Decoder(Letters)

    @property
    def count(self) -> int:
        """How many shards there are."""
        return self._port.n_shards

    @property
    def learns_later(self) -> bool:
        """Whether what is accepted is durable, but reaches the shards by another way."""
        return False

    def owner(self, user_id: str) -> int:
        """Return the shard that owns a user."""
        return self._whereabouts.map.owner(user_id)

    def new_decision_id(self, user_id: str) -> str:
        """Make the id of a decision for a user; the partition in front says where it lies."""
        return f"{self._whereabouts.map.partition_of(user_id):x}-{new_id()}"

    async def recommend(self, request: Request) -> bytes:
        """Ask the user's shard; return the JSON of a ``ShownList``."""
        made = await self._call_owner(request.user_id, RECOMMEND, encode(request))
        if not made.startswith(_LIST):
            raise _another_version(self.owner(request.user_id))
        return made

    async def recommend_all(
        self, requests: Sequence[Request]
    ) -> list[tuple[int, bytes | RuntimeFault]]:
        """Ask for the lists of several people; return shard and list, or what failed, by request.

        Each shard gets its people's requests in order, all shards at once. A list is the JSON of a
        ``ShownList``.
        """

        async def send(shard: int, indices: Sequence[int]) -> list[bytes | NotOwned]:
            asked = Requests(tuple(requests[index] for index in indices))
            answer = await self._call(shard, RECOMMEND_MANY, encode(asked))
            lists = self._recommendations.decode(answer).lists
            if not all(made is None or made.startswith(_LIST) for made in lists):
                raise _another_version(shard)
            partition_of = self._whereabouts.map.partition_of
            return [
                NotOwned(shard, partition_of(request.user_id)) if made is None else made
                for request, made in zip(asked.requests, lists, strict=True)
            ]

        user_ids = [request.user_id for request in requests]
        return await spread(self._whereabouts, user_ids, send, self._timeout_s)

    async def append(
        self, shard: int, events: Sequence[Event], received_ms: int
    ) -> tuple[Append, ...]:
        """Append to one shard, and return one result per event once they are durable."""
        batch = Batch(events=tuple(events), received_ms=received_ms)
        return self._appended.decode(await self._call(shard, APPEND, encode(batch))).results

    async def append_all(
        self, events: Sequence[Feedback], received_ms: int
    ) -> list[tuple[int, Append | RuntimeFault]]:
        """Append each event where its person is; return shard and result by event.

        Each shard gets its events in order, all shards at once. What is ``ShardUnavailable`` may
        have been taken, what is ``Overloaded`` was not.
        """

        async def send(shard: int, indices: Sequence[int]) -> Sequence[Append]:
            return await self.append(shard, [events[index] for index in indices], received_ms)

        user_ids = [event.user_id for event in events]
        return await spread(self._whereabouts, user_ids, send, self._timeout_s)

    async def append_everywhere(self, events: Sequence[Event], received_ms: int) -> None:
        """Append the same events to every shard.

        Raises
        ------
        Overloaded
            When every shard's queue is full: nothing happened.
        InvalidEvent
            When a shard refused them, and no other can have taken them: nothing happened.
        PartlyRefused
            When a shard refused them that others took, or may have.
        ShardUnavailable
            When any shard did not take them. Others may have; the same call again is safe, for
            the newest word about an item wins.
        """
        outcomes = await asyncio.gather(
            *(self.append(shard, events, received_ms) for shard in range(self.count)),
            return_exceptions=True,
        )
        failures = {
            shard: outcome
            for shard, outcome in enumerate(outcomes)
            if isinstance(outcome, BaseException)
        }
        for failure in failures.values():
            if not isinstance(failure, Overloaded | ShardUnavailable | InvalidEvent):
                raise failure
        if not failures:
            return
        # A refusal comes first: the caller can do something about it.
        shard = min(failures, key=lambda shard: not isinstance(failures[shard], InvalidEvent))
        failure = failures[shard]
        if all(isinstance(outcome, Overloaded | InvalidEvent) for outcome in outcomes):
            raise failure
        if isinstance(failure, InvalidEvent):
            raise PartlyRefused(shard, failure)
        reason = failure.reason if isinstance(failure, ShardUnavailable) else str(failure)
        raise ShardUnavailable(shard, f"{reason}; the others may have taken it: send it again")

    async def close(self) -> None:
        """Let go of what is not the port's."""

    async def user(self, user_id: str) -> UserView | None:
        """Look up a user's state."""
        payload = await self._call_owner(user_id, USER, encode(Lookup(id=user_id)))
        return self._user.decode(payload)

    async def decision(self, decision_id: str) -> Decision | None:
        """Look up a decision; an id that is not one of ours belongs to nobody.

        The log of whoever owned the partition then has it: the owner of now is asked first, the
        others when it does not know.
        """
        owner = self._shard_named(decision_id)
        if owner is None:
            return None
        for shard in (owner, *(other for other in range(self.count) if other != owner)):
            found = self._decision.decode(
                await self._call(shard, DECISION, encode(Lookup(id=decision_id)))
            )
            if found is not None:
                return found
        return None

    async def erase(self, user_id: str, received_ms: int) -> Erasure:
        """Have a person forgotten; what came before the answer is on its way out.

        Every shard is told: one that their partition has left still has their events in its log.

        Raises
        ------
        ShardUnavailable
            When a shard was not told; others may have been: the same call again is safe.
        """
        return await self._whereabouts.find(self._timeout_s, self._erase, user_id, received_ms)

    async def _erase(self, user_id: str, received_ms: int) -> Erasure:
        # A receipt of its own each time: who was told before the person came must be told anew.
        asked = encode(Erase(user_id, self.new_decision_id(user_id), received_ms))
        answers = await asyncio.gather(
            *(self._call(shard, ERASE, asked) for shard in range(self.count))
        )
        begun = [one for answer in answers if (one := self._erasure.decode(answer)) is not None]
        if len(begun) < self.count:
            raise _another_version(self.owner(user_id))
        return _together(begun)

    async def erasure(self, receipt: str) -> Erasure | None:
        """Look up how far an erasure is; a receipt that is not one of ours is nobody's."""
        if self._shard_named(receipt) is None:
            return None
        asked = encode(Lookup(id=receipt))
        answers = await asyncio.gather(
            *(self._call(shard, ERASURE, asked) for shard in range(self.count))
        )
        found = [one for answer in answers if (one := self._erasure.decode(answer)) is not None]
        return _together(found) if found else None

    async def dead_letters(self) -> list[Letter]:
        """Return the dead letters of all shards.

        Raises
        ------
        ShardUnavailable
            When a shard does not answer.
        """
        answers = await asyncio.gather(
            *(self._call(shard, LETTERS, encode(None)) for shard in range(self.count))
        )
        return [letter for answer in answers for letter in self._letters.decode(answer).letters]

    def _shard_named(self, made_here: str) -> int | None:
        """Return the shard that owns the partition which an id of ``new_decision_id`` names."""
        match = _DECISION_ID.fullmatch(made_here)
        shard_map = self._whereabouts.map
        if match is None or (partition := int(match[1], 16)) >= shard_map.partitions:
            return None
        return shard_map.owners[partition]

    async def stats(self, timeout_s: float | None = None) -> StatsAnswer:
        """Ask every shard for its state; those that do not answer are listed as such.

        Parameters
        ----------
        timeout_s
            Instead of the deadline of all other calls.
        """
        ts_ms = now_ms()
        outcomes = await asyncio.gather(
            *(self._shard_stats(shard, timeout_s) for shard in range(self.count))
        )
        answered = tuple(outcome for outcome in outcomes if isinstance(outcome, ShardStats))
        arms: dict[str, ArmStats] = {}
        for shard in answered:
            for name, counted in shard.engine.arms.items():
                total = arms.setdefault(name, ArmStats())
                total.decisions += counted.decisions
                total.shown += counted.shown
                total.clicks += counted.clicks
                total.reward += counted.reward
        return StatsAnswer(
            ts_ms=ts_ms,
            shards=answered,
            arms=arms,
            unavailable=tuple(
                outcome for outcome in outcomes if isinstance(outcome, UnavailableShard)
            ),
        )

    async def _shard_stats(
        self, shard: int, timeout_s: float | None
    ) -> ShardStats | UnavailableShard:
        try:
            return self._stats.decode(await self._call(shard, STATS, encode(None), timeout_s))
        except RuntimeFault as error:
            return UnavailableShard(shard=shard, detail=str(error))

    def _call_owner(self, user_id: str, method: Method, payload: bytes) -> Awaitable[bytes]:
        return self._whereabouts.find(
            self._timeout_s, self._call_owner_now, user_id, method, payload
        )

    def _call_owner_now(self, user_id: str, method: Method, payload: bytes) -> Awaitable[bytes]:
        return self._call(self.owner(user_id), method, payload)

    async def _call(
        self, shard: int, method: Method, payload: bytes, timeout_s: float | None = None
    ) -> bytes:
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        self._shares.take(shard)
        try:
            return await self._port.call(shard, method, payload, limit_s)
        finally:
            self._shares.give_back(shard)


def _another_version(shard: int) -> ShardUnavailable:
    return ShardUnavailable(shard, "it runs another version")


def _together(erasures: Sequence[Erasure]) -> Erasure:
    """Return an erasure as one: it is done when all shards have done it."""
    done = [one.done_ms for one in erasures]
    return msgspec.structs.replace(
        erasures[0],
        removed=sum(one.removed for one in erasures),
        done_ms=max(done) if all(done) else 0,
    )
