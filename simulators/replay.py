"""Sends recorded interactions to a server in the order of time, each at most once.

Users are divided over workers by a stable hash, and a worker sends its next batch after the last
one is acknowledged, so a person's events never overtake each other. All workers wait for each other
after a stretch of the file, so that no part of the log runs ahead of the rest.
"""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import msgspec

from recsys.client import MAX_BATCH, AsyncClient, NewFeedback, ServerStats
from recsys.datasets import Interaction
from recsys.errors import ApiError, Unreachable
from simulators.measure import Latency
from simulators.rows import feedback_of, refused_line

__all__ = ["Replay", "ReplayResult", "ReplaySettings", "feedback_of", "learned"]

_BATCHES_PER_STRETCH = 4
_SETTLED_AFTER_S = 15.0
_ASK_EVERY_S = 0.2
_CAPPED = "too many about one person; a key with the scope admin may send them all"


@dataclass(frozen=True)
class ReplaySettings:
    """How to send.

    Attributes
    ----------
    click_at
        Ratings from here on are clicks, lower ones are feedback of the type ``rating``.
    batch
        Events per request.
    concurrency
        Requests in flight.
    """

    click_at: float = 5.0
    batch: int = 200
    concurrency: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= MAX_BATCH:
            message = f"a batch has 1 to {MAX_BATCH} events, got {self.batch}"
            raise ValueError(message)
        if self.concurrency < 1:
            message = f"concurrency is at least 1, got {self.concurrency}"
            raise ValueError(message)


class ReplayResult(msgspec.Struct, kw_only=True):
    """What came of a replay.

    Attributes
    ----------
    events
        To be sent.
    conflicts
        The server has this id with other content: the same file was replayed with another
        ``click_at`` before.
    unavailable
        Not taken by the server after all attempts; the replay ends there.
    learned
        Feedback that the server has learned since the start, ``None`` when it was not asked.
    was_empty
        Whether the server had learned nothing before.
    error
        Why it ended early, ``""`` when it did not.
    again
        Whether the same replay can go on once the server answers.
    """

    events: int = 0
    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    unavailable: int = 0
    elapsed_s: float = 0.0
    ack_p50_ms: float | None = None
    ack_p99_ms: float | None = None
    was_empty: bool | None = None
    learned: int | None = None
    interrupted: bool = False
    error: str = ""
    again: bool = False

    @property
    def sent(self) -> int:
        """Events with an answer."""
        return self.accepted + self.duplicates + self.conflicts + self.unavailable


def learned(stats: ServerStats) -> int:
    """Return how much feedback all shards have learned."""
    return sum(sum(shard.engine.feedback.values()) for shard in stats.shards)


class Replay:
    """Sends interactions until all are sent, one cannot be delivered, or ``stop``.

    Parameters
    ----------
    interactions
        Sorted by time.
    source
        As for ``feedback_of``.
    progress
        Called with the number of events answered so far.
    """

    def __init__(
        self,
        client: AsyncClient,
        interactions: Sequence[Interaction],
        source: str,
        settings: ReplaySettings,
        progress: Callable[[int], None],
    ) -> None:
        self._client = client
        self._interactions = interactions
        self._source = source
        self._settings = settings
        self._progress = progress
        self._stop = asyncio.Event()
        self._latency = Latency()
        self._result = ReplayResult(events=len(interactions))

    def stop(self) -> None:
        """End after the batches in flight."""
        self._stop.set()

    async def run(self) -> ReplayResult:
        """Send everything, then wait until the server has learned what it accepted."""
        result = self._result
        before = await self._learned()
        result.was_empty = before == 0 if before is not None else None
        start_s = perf_counter()
        stretch = self._settings.batch * self._settings.concurrency * _BATCHES_PER_STRETCH
        for start in range(0, len(self._interactions), stretch):
            if self._stop.is_set():
                break
            await self._send(self._interactions[start : start + stretch])
        result.elapsed_s = perf_counter() - start_s
        result.ack_p50_ms = self._latency.quantile(0.5)
        result.ack_p99_ms = self._latency.quantile(0.99)
        result.interrupted = result.sent < result.events and not result.error
        if before is not None and not result.error:
            result.learned = await self._settled(before)
        return result

    async def _send(self, stretch: Sequence[Interaction]) -> None:
        parts: list[list[Interaction]] = [[] for _ in range(self._settings.concurrency)]
        for interaction in stretch:
            # crc32 and not hash(): the same division in every run.
            parts[zlib.crc32(interaction.user.encode()) % len(parts)].append(interaction)
        await asyncio.gather(*(self._send_part(part) for part in parts))

    async def _send_part(self, part: Sequence[Interaction]) -> None:
        size = self._settings.batch
        for start in range(0, len(part), size):
            if self._stop.is_set():
                return
            rows = part[start : start + size]
            try:
                await self._deliver(
                    [feedback_of(row, self._source, self._settings.click_at) for row in rows]
                )
            except Unreachable as error:
                self._give_up(str(error), again=True)
            except ApiError as error:
                line = refused_line(error, rows)
                where = "" if line is None else f"line {line} of the file: "
                self._give_up(f"{where}{error}", again=error.passing)

    async def _deliver(self, batch: Sequence[NewFeedback]) -> None:
        result = self._result
        start_s = perf_counter()
        answer = await self._client.send_events(batch)
        self._latency.add((perf_counter() - start_s) * 1000.0)
        conflicts = sum(one.status == "conflict" for one in answer.results)
        unavailable = answer.failed - conflicts
        result.accepted += answer.accepted
        result.duplicates += answer.duplicates
        result.conflicts += conflicts
        result.unavailable += unavailable
        self._progress(result.sent)
        if unavailable:
            # Sending on would put these people's later events before their earlier ones.
            capped = any(one.status == "capped" for one in answer.results)
            why = _CAPPED if capped else "their shard does not answer"
            self._give_up(f"{unavailable} events were not taken: {why}", again=True)

    def _give_up(self, error: str, *, again: bool) -> None:
        if not self._result.error:
            self._result.error, self._result.again = error, again
        self._stop.set()

    async def _learned(self) -> int | None:
        stats = await self._client.stats()
        return None if stats.unavailable else learned(stats)

    async def _settled(self, before: int) -> int | None:
        """Return what the server has learned since ``before``, once it is all or takes too long."""
        last_s = perf_counter() + _SETTLED_AFTER_S
        while True:
            now = await self._learned()
            done = now is not None and now - before >= self._result.accepted
            if done or perf_counter() >= last_s:
                return None if now is None else now - before
            await asyncio.sleep(_ASK_EVERY_S)
