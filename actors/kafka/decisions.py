"""Publishes decisions: reads the shard's own log behind its writer, and keeps a place in it.

The log is the truth, so nothing is lost while Kafka is away; the place is committed after Kafka
has confirmed, so that a crash publishes some again, with the same ids.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from actors.errors import ShardUnavailable
from actors.kafka.base import Home, KafkaUnreachable, Message
from actors.kafka.observer import KafkaObserver
from actors.kafka.pauses import Backoff, pause
from actors.kafka.positions import DECISIONS
from actors.kafka.publisher import Publisher
from recsys.clock import now_ms
from recsys.errors import StoreError
from recsys.events import Decision, Event

__all__ = ["DecisionOutlet", "decision_message"]

_log = logging.getLogger(__name__)

_PAGE: Final = 500
"""Events read at a time; commits wait while they are."""
_PAUSE_S: Final = 0.2
_encoder = msgspec.json.Encoder()


def decision_message(topic: str, decision: Decision) -> Message:
    """Return a decision as it is published: as ``GET /v1/decisions`` shows it."""
    headers = (
        ("content-type", b"application/json"),
        ("event-id", decision.event_id.encode()),
    )
    return Message(topic, decision.user_id.encode(), _encoder.encode(decision), headers)


class DecisionOutlet:
    """The decisions of one shard.

    Attributes
    ----------
    published
        Since it was made.
    missed
        Events that had left the log before it looked.

    Parameters
    ----------
    at
        Up to which sequence decisions are published; ``None`` where none ever were: those that
        are there stay unpublished.
    """

    def __init__(
        self,
        home: Home,
        publisher: Publisher,
        topic: str,
        at: int | None,
        observer: KafkaObserver,
        *,
        longest_pause_s: float,
    ) -> None:
        self.published = 0
        self.missed = 0
        self._home = home
        self._publisher = publisher
        self._topic = topic
        self._at = at
        self._observer = observer
        self._backoff = Backoff(_PAUSE_S, longest_pause_s)
        self._fault = ""

    @property
    def behind(self) -> int:
        """Events that were not looked through yet."""
        return 0 if self._at is None else max(0, self._home.last_sequence - self._at)

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish until told to stop, and then once more what is there by then."""
        while True:
            # Asked before the work, so that what came until then is part of it.
            last = stopping.is_set()
            try:
                await self._publish_all()
                self._backoff.reset()
                self._fault, wait_s = "", _PAUSE_S
            except (KafkaUnreachable, ShardUnavailable, StoreError) as error:
                wait_s = self._backoff.next_s()
                self._stumbled(str(error))
            self._observer.on_decisions(0, self.behind)
            if last:
                return
            await pause(stopping, wait_s)

    def _stumbled(self, fault: str) -> None:
        if fault != self._fault:
            # Once, not with each attempt for as long as it lasts.
            _log.warning("shard %d: decisions wait to be published: %s", self._home.index, fault)
        self._fault = fault

    async def _publish_all(self) -> None:
        if self._at is None:
            await self._move_to(self._home.last_sequence)
        while (at := self._at or 0) < self._home.last_sequence:
            page = await self._home.log_after(at, _PAGE)
            if not page:
                return
            self.missed += page[0][0] - at - 1
            await self._publish([event for _, event in page])
            await self._move_to(page[-1][0])

    async def _publish(self, events: Sequence[Event]) -> None:
        messages = [
            decision_message(self._topic, event) for event in events if isinstance(event, Decision)
        ]
        if messages:
            await self._publisher.send(messages)
            self.published += len(messages)
            self._observer.on_decisions(len(messages), self.behind)

    async def _move_to(self, sequence: int) -> None:
        await self._home.append((), now_ms(), {DECISIONS: sequence})
        self._at = sequence
