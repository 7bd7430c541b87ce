"""What people of one shard see of a server, all the time: lists as often as asked, and acks.

Lists are asked for at a steady pace, whatever became of the last one, so that a request that hangs
hides nothing. Events go one after the other, each again until it is acknowledged, so that their
order is known; they are entered into the book of all that was sent.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from time import perf_counter
from typing import Final

import httpx2
import msgspec

from benchmarks.sender import Sender
from recsys.client import NewFeedback, Recommended

__all__ = ["Answer", "Probe", "longest_gap"]

ANSWER_S: Final = 8.0
"""Who waits longer has given up; beyond every deadline of the server."""
_LIST_EVERY_S: Final = 0.1
_EVENT_EVERY_S: Final = 0.05
_GOOD: Final = {200, 202}


class Answer(msgspec.Struct, frozen=True):
    """What came of one request.

    Attributes
    ----------
    asked_s, answered_s
        On the clock of ``time.perf_counter``.
    status
        0 where nothing came.
    retry_after
        Whether the answer said when to ask again.
    detail
        Why not, in the server's words.
    """

    asked_s: float
    answered_s: float
    status: int
    retry_after: bool = False
    detail: str = ""

    @property
    def good(self) -> bool:
        """Whether it was what had been asked for."""
        return self.status in _GOOD

    @property
    def took_s(self) -> float:
        """How long it took."""
        return self.answered_s - self.asked_s


def longest_gap(answers: Iterable[Answer], start_s: float, end_s: float) -> float:
    """Return the longest time within a span in which no good answer came."""
    times = sorted(answer.answered_s for answer in answers if answer.good)
    inside = [start_s, *(at for at in times if start_s < at < end_s), end_s]
    return max(later - sooner for sooner, later in pairwise(inside))


class Probe:
    """Two people of one shard.

    Parameters
    ----------
    people
        Who asks for lists, and who sends events; both do nothing else.
    seen
        Is shown every list.

    Attributes
    ----------
    lists, acks
        Since ``forget``.
    """

    def __init__(
        self,
        shard: int,
        url: str,
        people: tuple[str, str],
        items: Sequence[str],
        sender: Sender,
        seen: Callable[[Recommended], None],
    ) -> None:
        self.shard = shard
        self.lists: list[Answer] = []
        self.acks: list[Answer] = []
        self._url = url
        self._reader, self._writer = people
        self._items = items
        self._sender = sender
        self._seen = seen
        self._list = msgspec.json.Decoder(Recommended)
        self._open: dict[object, float] = {}

    def forget(self) -> None:
        """Begin anew."""
        self.lists.clear()
        self.acks.clear()

    def well_since(self, at_s: float) -> bool:
        """Return whether a list and an ack came that were asked for after a moment.

        All that was asked before is answered or given up then.
        """
        return not any(asked_s <= at_s for asked_s in self._open.values()) and all(
            any(answer.good and answer.asked_s > at_s for answer in reversed(answers))
            for answers in (self.lists, self.acks)
        )

    def refusals(self) -> dict[str, int]:
        """Return how often there was no list or no ack, by what came instead."""
        return dict(
            Counter(
                f"{answer.status} {answer.detail}".strip()
                for answer in (*self.lists, *self.acks)
                if not answer.good
            )
        )

    async def run(self, end: asyncio.Event) -> None:
        """Ask and send until the end; what was sent is acknowledged then."""
        async with (
            httpx2.AsyncClient(base_url=self._url, timeout=ANSWER_S) as http,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._write(http, end))
            while not end.is_set():
                group.create_task(self._read(http))
                await asyncio.sleep(_LIST_EVERY_S)

    async def _read(self, http: httpx2.AsyncClient) -> None:
        body = msgspec.json.encode({"user_id": self._reader})
        answer, content = await self._ask(http, "/v1/recommend", body)
        self.lists.append(answer)
        if answer.good:
            self._seen(self._list.decode(content))

    async def _write(self, http: httpx2.AsyncClient, end: asyncio.Event) -> None:
        number = 0
        while not end.is_set():
            number += 1
            event = NewFeedback(
                type="click",
                user_id=self._writer,
                item_id=self._items[number % len(self._items)],
                event_id=f"{self._writer}-act-{number}",
            )
            self._sender.sent.append(event)
            body = msgspec.json.encode([event])
            while True:
                answer, _ = await self._ask(http, "/v1/events", body)
                self.acks.append(answer)
                if answer.good:
                    break
                await asyncio.sleep(_EVENT_EVERY_S)
            self._sender.acknowledged.add(event.event_id)
            await asyncio.sleep(_EVENT_EVERY_S)

    async def _ask(self, http: httpx2.AsyncClient, path: str, body: bytes) -> tuple[Answer, bytes]:
        headers = {"content-type": "application/json"}
        asked_s, request = perf_counter(), object()
        self._open[request] = asked_s
        try:
            answer = await http.post(path, content=body, headers=headers)
        except httpx2.TransportError as error:
            return Answer(asked_s, perf_counter(), 0, detail=type(error).__name__), b""
        finally:
            del self._open[request]
        return (
            Answer(
                asked_s,
                perf_counter(),
                answer.status_code,
                retry_after="retry-after" in answer.headers,
                detail="" if answer.status_code in _GOOD else _detail(answer.content),
            ),
            answer.content,
        )


class _Problem(msgspec.Struct):
    detail: str = ""


def _detail(content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=_Problem).detail
    except msgspec.DecodeError:
        return content.decode(errors="replace")[:80]
