"""Clients as they are: they ask, click, repeat themselves, contradict themselves and give up."""

import asyncio
import itertools
import math
import random
from collections.abc import Sequence
from typing import Final

import msgspec

from actors.errors import Overloaded, ShardUnavailable
from actors.messages import (
    Appended,
    Batch,
    LogAfter,
    LogPart,
    Lookup,
    ShardStats,
    ShownList,
    decode,
    encode,
)
from recsys.decision import Request
from recsys.errors import InvalidEvent
from recsys.events import Decision, Event, Feedback, ItemRemove, ItemUpsert
from recsys.views import UserView
from tests.shards import shown
from tests.simulation.history import Broken, History, Sent
from tests.simulation.life import Life
from tests.simulation.link import Link
from tests.simulation.loop import Loop

__all__ = ["Client", "deliver", "prove"]

_USERS: Final = 4
_ITEMS: Final = 14
_GENRES: Final = ("crime", "drama", "comedy")
_KINDS: Final = ("click", "view", "purchase", "dislike", "skip")
_ATTEMPTS: Final = 12
_GIVES_UP: Final = 0.15
"""Share of the failed attempts after which nobody tries again."""
_NIL: Final = encode(None)
_groups = itertools.count(1)


async def deliver(
    link: Link, history: History, chance: random.Random, loop: Loop, events: tuple[Event, ...]
) -> bool:
    """Send events again and again until it is known what became of them, or patience ends.

    Returns
    -------
    bool
        Whether they were acknowledged.

    Raises
    ------
    InvalidEvent
        When the shard says that one of them breaks a limit.
    """
    group = next(_groups)
    payload = encode(Batch(events=events, received_ms=loop.now_ms()))

    async def attempt() -> bool:
        sent = Sent(group, events)
        history.send(sent)
        try:
            answer = decode(await link.call("append", payload), Appended)
        except (InvalidEvent, Overloaded) as error:
            sent.refused = True
            if isinstance(error, InvalidEvent):
                raise
            return False
        except ShardUnavailable:
            return False
        history.promise(events, answer.results)
        return True

    for _ in range(_ATTEMPTS):
        copies = 2 if chance.random() < 0.1 else 1  # something on the way sends it twice
        if any(await asyncio.gather(*(attempt() for _ in range(copies)))):
            return True
        if chance.random() < _GIVES_UP:
            return False
        await asyncio.sleep(chance.random() * 0.3)
    return False


async def prove(life: Life, history: History, loop: Loop) -> None:
    """Hold a shard whose disk is sound again to taking an event.

    Raises
    ------
    Broken
        When it does not.
    """
    event = Feedback(event_id="proof", user_id="u0", ts_ms=loop.now_ms(), type="view", item_id="i0")
    history.send(Sent(next(_groups), (event,)))
    payload = encode(Batch(events=(event,), received_ms=loop.now_ms()))
    for _ in range(_ATTEMPTS):
        try:
            answer = decode(await life.call("append", payload), Appended)
        except Overloaded:
            await asyncio.sleep(1.0)  # of those who went away, not everything was done yet
        except ShardUnavailable as error:
            raise Broken(f"the disk is sound, but {error}") from error
        else:
            history.promise((event,), answer.results)
            return
    raise Broken("nobody is there any more, and the queue is full")


class Client:
    """One of several, with a clock and chances of its own."""

    def __init__(
        self, name: str, link: Link, history: History, chance: random.Random, loop: Loop
    ) -> None:
        self._name = name
        self._link = link
        self._history = history
        self._chance = chance
        self._loop = loop
        self._numbers = itertools.count(1)
        self._sent: list[Event] = []
        self._shown: list[tuple[str, ShownList]] = []
        self._pace_s = chance.choice((0.0, 0.02, 0.2))

    async def live(self, deeds: int) -> None:
        """Do so many things."""
        await self._bring_items()
        for _ in range(deeds):
            await asyncio.sleep(self._chance.random() * self._pace_s)
            deed = self._chance.choice(
                (self._ask, self._ask, self._ask, self._act, self._act, self._act, self._repeat,
                 self._contradict, self._blunder, self._remove, self._look, self._look)
            )  # fmt: skip
            await deed()

    async def _send(self, events: Sequence[Event]) -> None:
        self._sent.extend(events)
        await deliver(self._link, self._history, self._chance, self._loop, tuple(events))

    def _id(self, kind: str) -> str:
        return f"{self._name}-{kind}{next(self._numbers)}"

    async def _bring_items(self) -> None:
        await self._send([self._item(number) for number in self._chance.sample(range(_ITEMS), 5)])

    def _item(self, number: int) -> ItemUpsert:
        return ItemUpsert(
            event_id=self._id("i"),
            ts_ms=self._loop.now_ms(),
            item_id=f"i{number}",
            attributes={"genre": self._chance.choice(_GENRES)},
        )

    def _feedback(self) -> Feedback:
        answers = [(user_id, made) for user_id, made in self._shown[-3:] if made.items]
        seen = self._chance.choice(answers) if answers and self._chance.random() < 0.6 else None
        return Feedback(
            event_id=self._id("f"),
            user_id=seen[0] if seen else f"u{self._chance.randrange(_USERS)}",
            ts_ms=self._loop.now_ms(),
            type=self._chance.choice(_KINDS),
            item_id=(
                self._chance.choice(seen[1].items).item_id
                if seen
                else f"i{self._chance.randrange(_ITEMS)}"
            ),
            decision_id=seen[1].decision_id if seen else None,
        )

    async def _ask(self) -> None:
        request = Request(
            user_id=f"u{self._chance.randrange(_USERS)}",
            ts_ms=self._loop.now_ms(),
            decision_id=self._id("d"),
            n=self._chance.randint(1, 5),
        )
        try:
            made = shown(await self._link.call("recommend", encode(request)))
        except (Overloaded, ShardUnavailable):
            return
        self._shown.append((request.user_id, made))
        self._history.answered(request, made)

    async def _act(self) -> None:
        await self._send([self._feedback() for _ in range(self._chance.randint(1, 6))])

    async def _repeat(self) -> None:
        """Send old events again, some with new ones between them."""
        old = self._chance.sample(self._sent, min(3, len(self._sent)))
        if self._chance.random() < 0.5:
            old.insert(self._chance.randint(0, len(old)), self._feedback())
        await self._send(old)

    async def _contradict(self) -> None:
        """Send another event under an id that was used before."""
        if old := [event for event in self._sent if isinstance(event, Feedback)]:
            event = self._chance.choice(old)
            other = "like" if event.type != "like" else "cart"
            await self._send([msgspec.structs.replace(event, type=other), self._feedback()])

    async def _blunder(self) -> None:
        """Send one bad event among good ones."""
        bad = msgspec.structs.replace(self._feedback(), value=math.inf)
        good = (self._feedback(), self._feedback())
        try:
            if await deliver(
                self._link, self._history, self._chance, self._loop, (good[0], bad, good[1])
            ):
                raise Broken(f"{bad} was taken")
        except InvalidEvent:
            return

    async def _remove(self) -> None:
        number = self._chance.randrange(_ITEMS)
        removal = ItemRemove(
            event_id=self._id("r"), ts_ms=self._loop.now_ms(), item_id=f"i{number}"
        )
        await self._send([removal, self._item(self._chance.randrange(_ITEMS))])

    async def _look(self) -> None:
        """Look something up."""
        try:
            match self._chance.choice(("decision", "user", "stats", "log", "witness")):
                case "decision" if self._shown:
                    await self._look_decision(self._chance.choice(self._shown[-3:])[1].decision_id)
                case "user":
                    user_id = f"u{self._chance.randrange(_USERS)}"
                    found = await self._link.call("user", encode(Lookup(id=user_id)))
                    if found != _NIL and (view := decode(found, UserView)).user_id != user_id:
                        raise Broken(f"asked for {user_id}, told of {view}")
                case "stats":
                    decode(await self._link.call("stats", encode(None)), ShardStats)
                case "log":
                    await self._look_log()
                case _:
                    if (life := self._link.life) is not None:
                        life.engine.testify()
        except (Overloaded, ShardUnavailable):
            return

    async def _look_decision(self, decision_id: str) -> None:
        payload = encode(Lookup(id=decision_id))
        found = await self._link.call("decision", payload)
        decision = None if found == _NIL else decode(found, Decision)
        self._history.looked_up(decision_id, decision)

    async def _look_log(self) -> None:
        after = self._chance.randint(0, 30)
        payload = encode(LogAfter(sequence=after, events=5))
        part = decode(await self._link.call("log", payload), LogPart)
        for sequence, event in part.events:
            self._history.read(sequence, event)
