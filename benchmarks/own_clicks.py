"""Somebody clicks on an item of their list, and asks from the acknowledgement on until it has left.

A clicked item leaves the list because it is consumed. Lists also change by themselves, because what
was shown and not clicked counts as well; so a change alone says nothing, and as a control as many
others ask twice without a click: how often an item drawn likewise leaves their list is told.
"""

import asyncio
from collections.abc import Sequence
from random import Random
from time import perf_counter

import msgspec

from benchmarks.connection import Address, Connection, do
from benchmarks.figures import Quantiles
from benchmarks.warm import LIST
from recsys.client import NewFeedback, Recommended
from recsys.client.calls import recommend, send_events

__all__ = ["ARM", "Own", "own_clicks"]

ARM = "learner"
_MOST_ASKS = 50
"""Then a click counts as unseen."""


class Own(msgspec.Struct, frozen=True):
    """One round.

    Attributes
    ----------
    seen_ms
        From the acknowledgement to the end of the first answer without the item.
    ack_ms
        From sending the click to its acknowledgement.
    unseen
        Clicks whose item never left.
    by_next
        Clicks whose item had left the very next answer.
    control, control_left
        People who did not click, and those of them whose item left the next list.
    """

    clicks: int
    seen_ms: Quantiles
    ack_ms: Quantiles
    unseen: int
    by_next: int
    control: int
    control_left: int


class _Watch:
    """Asks and clicks over one connection."""

    def __init__(self, url: str, connection: Connection, rng: Random) -> None:
        self._url = url
        self._connection = connection
        self._rng = rng
        self.seen_ms = list[float]()
        self.ack_ms = list[float]()
        self.by_next = self.left = 0

    async def click(self, user_id: str) -> None:
        """Let somebody click once, and wait until it is seen."""
        shown = await self._ask(user_id)
        item_id = self._rng.choice(shown.items).item_id
        click = NewFeedback(
            type="click", user_id=user_id, item_id=item_id, decision_id=shown.decision_id
        )
        sent_s = perf_counter()
        accepted = (await do(self._connection, self._url, send_events([click]))).accepted
        acked_s = perf_counter()
        if accepted != 1:
            message = f"a click of {user_id} was not accepted"
            raise RuntimeError(message)
        self.ack_ms.append((acked_s - sent_s) * 1000.0)
        for asks in range(_MOST_ASKS):
            if not _has(await self._ask(user_id), item_id):
                self.seen_ms.append((perf_counter() - acked_s) * 1000.0)
                self.by_next += asks == 0
                return

    async def stay(self, user_id: str, pause_s: float) -> None:
        """Let somebody ask twice without a click."""
        item_id = self._rng.choice((await self._ask(user_id)).items).item_id
        await asyncio.sleep(pause_s)
        self.left += not _has(await self._ask(user_id), item_id)

    async def _ask(self, user_id: str) -> Recommended:
        call = recommend(user_id, n=LIST, context={}, candidates=None, exclude=(), arm=ARM)
        shown = await do(self._connection, self._url, call)
        if not shown.items:
            message = f"the list of {user_id} is empty"
            raise RuntimeError(message)
        return shown


def _has(shown: Recommended, item_id: str) -> bool:
    return any(item.item_id == item_id for item in shown.items)


async def own_clicks(url: str, people: Sequence[str], seed: int) -> Own:
    """Let every other of the people click once, one after the other.

    Raises
    ------
    RuntimeError
        When a click was not accepted, or there is nothing to click on.
    """
    connection = await Connection.to(Address.of(url))
    watch = _Watch(url, connection, Random(seed))
    pairs = list(zip(people[::2], people[1::2], strict=False))
    for clicks, stays in pairs:
        await watch.click(clicks)
        await watch.stay(stays, watch.ack_ms[-1] / 1000.0)
    connection.close()
    return Own(
        clicks=len(pairs),
        seen_ms=Quantiles.of(watch.seen_ms),
        ack_ms=Quantiles.of(watch.ack_ms),
        unseen=len(pairs) - len(watch.seen_ms),
        by_next=watch.by_next,
        control=len(pairs),
        control_left=watch.left,
    )
