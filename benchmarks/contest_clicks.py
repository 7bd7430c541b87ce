"""How soon a click has left the list of who clicked, of any server that knows two of our paths."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Final

import msgspec

from benchmarks.connection import Address, Answer, Connection, request_of
from benchmarks.figures import Quantiles
from benchmarks.warm import question
from recsys.client import NewFeedback
from recsys.client.calls import Call, send_events

__all__ = ["Clicked", "clicks_seen"]

_PEOPLE: Final = 200
_FEW: Final = 20
_WAIT_S: Final = 2.0
_LONG_S: Final = 90.0
_PAUSE_S: Final = 0.25
"""Between two questions of those who are patient."""


class Clicked(msgspec.Struct, frozen=True):
    """What became of clicks.

    Attributes
    ----------
    seen_ms
        From the acknowledgement to the end of the first list without the item, of those seen.
    unseen
        Within ``waited_s``.
    """

    clicks: int
    seen_ms: Quantiles
    unseen: int
    waited_s: float

    def text(self) -> str:
        """Return one line for people."""
        unseen = f"; {self.unseen} of {self.clicks} not seen in {self.waited_s:g} s"
        return f"{self.seen_ms.text('ms')}{unseen if self.unseen else ''}"


class _List(msgspec.Struct):
    items: list["_Item"]


class _Item(msgspec.Struct):
    item_id: str


async def _click(url: str, user_id: str, wait_s: float, pause_s: float) -> float | None:
    """Let somebody click on the first item of their list; return the milliseconds until it left."""
    connection = await Connection.to(Address.of(url))
    try:
        asking = request_of(url, Call("POST", "/v1/recommend", object, question(user_id)))
        item_id = _items(await connection.ask(asking))[0]
        click = NewFeedback(type="click", user_id=user_id, item_id=item_id)
        answer = await connection.ask(request_of(url, send_events([click])))
        if not answer.good:
            message = f"{url}: a click was answered by {answer.fault}"
            raise RuntimeError(message)
        acked_s = perf_counter()
        while perf_counter() < acked_s + wait_s:
            if item_id not in _items(await connection.ask(asking)):
                return (perf_counter() - acked_s) * 1000.0
            await asyncio.sleep(pause_s)
        return None
    finally:
        connection.close()


def _items(answer: Answer) -> list[str]:
    if not answer.good:
        message = f"a list was answered by {answer.fault}"
        raise RuntimeError(message)
    return [one.item_id for one in msgspec.json.decode(answer.body, type=_List).items]


async def _all(url: str, people: Sequence[str], patient: bool) -> Clicked:
    if patient:
        some = people[:_FEW]
        found = await asyncio.gather(*(_click(url, one, _LONG_S, _PAUSE_S) for one in some))
    else:
        found = [await _click(url, one, _WAIT_S, 0.0) for one in people[:_PEOPLE]]
    seen = [ms for ms in found if ms is not None]
    waited_s = _LONG_S if patient else _WAIT_S
    return Clicked(len(found), Quantiles.of(seen), len(found) - len(seen), waited_s)


def clicks_seen(url: str, people: Sequence[str], *, patient: bool) -> Clicked:
    """Let people click.

    Parameters
    ----------
    patient
        Some at a time, who wait for minutes, for what is built in batches; else one after the
        other, asking again at once.

    Raises
    ------
    RuntimeError
        When the server refuses.
    """
    return asyncio.run(_all(url, people, patient))
