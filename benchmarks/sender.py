"""Sends a stream of events and keeps the book of what the server has acknowledged."""

import asyncio
import zlib
from collections.abc import Sequence
from time import perf_counter

from recsys.client import AsyncClient, NewFeedback

__all__ = ["Sender"]


class Sender:
    """Sends events from several connections, one person's always from the same.

    Parameters
    ----------
    client
        Sends again what was not acknowledged, more patiently than any fault lasts.
    events
        In the order in which the server shall learn them.
    batch
        Events per request; a connection sends its next one after the last is acknowledged.

    Attributes
    ----------
    sent
        In the order of sending, as far as one person is concerned.
    acknowledged
        Ids.
    repeated
        Acknowledgements that said ``duplicate``: the first one did not arrive.
    ack_ms
        Per batch, all its attempts included.
    """

    def __init__(self, client: AsyncClient, events: Sequence[NewFeedback], batch: int) -> None:
        self.sent: list[NewFeedback] = []
        self.acknowledged: set[str] = set()
        self.repeated = 0
        self.ack_ms: list[float] = []
        self._client = client
        self._events = events
        self._batch = batch
        self._moved = asyncio.Condition()

    async def send(self, connections: int) -> None:
        """Send everything.

        Raises
        ------
        ApiError, Unreachable
            When the server refuses, or did not answer for minutes.
        """
        parts: list[list[NewFeedback]] = [[] for _ in range(connections)]
        for event in self._events:
            parts[zlib.crc32(event.user_id.encode()) % connections].append(event)
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(self._send_part(part))

    async def _send_part(self, part: Sequence[NewFeedback]) -> None:
        for start in range(0, len(part), self._batch):
            await self.deliver(part[start : start + self._batch])

    async def deliver(self, events: Sequence[NewFeedback]) -> None:
        """Send events and enter them into the book; the next of these people come after that.

        Raises
        ------
        RuntimeError
            When the server took some of them under no circumstances.
        ApiError, Unreachable
            As ``send``.
        """
        self.sent += events
        started_s = perf_counter()
        answer = await self._client.send_events(events)
        self.ack_ms.append((perf_counter() - started_s) * 1000.0)
        taken = [one for one in answer.results if one.status in {"accepted", "duplicate"}]
        if len(taken) < len(events):
            message = f"{len(events) - len(taken)} events were not taken"
            raise RuntimeError(message)
        self.repeated += answer.duplicates
        self.acknowledged.update(one.event_id for one in taken)
        async with self._moved:
            self._moved.notify_all()

    async def reach(self, goal: int) -> None:
        """Wait until so many events are acknowledged."""
        async with self._moved:
            await self._moved.wait_for(lambda: len(self.acknowledged) >= goal)
