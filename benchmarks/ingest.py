"""Events a second that are acknowledged over HTTP, each on the disk and learned before its ack.

One server with a history and all default settings; requests of 1, 100 and 1,000 events from several
connections, each of which sends its next when it has its acknowledgement. The events are those that
follow the history, each sent once. In rounds, so that what else the machine does meets all sizes.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Final

import msgspec

from benchmarks.child import in_child
from benchmarks.connection import Address, Connection, request_of
from benchmarks.figures import Quantiles
from benchmarks.latency import learned_by, settle
from benchmarks.warm import warm_server
from recsys.client import NewFeedback
from recsys.client.calls import send_events

__all__ = ["Acked", "Ingest", "Sent", "acknowledged", "measure", "rows", "send_all"]

SIZES: Final = (1, 100, 1000)
_MAIN: Final = 100
_WARM_UP: Final = 500


class _Accepted(msgspec.Struct):
    """What all servers here say of events."""

    accepted: int


_accepted: Final = msgspec.json.Decoder(_Accepted)


class Acked(msgspec.Struct, frozen=True):
    """One size of requests in one round.

    Attributes
    ----------
    batch
        Events per request.
    eps
        Events acknowledged a second.
    ack_ms
        Per request.
    learned
        Events that the shards had learned when the last acknowledgement came.
    client_share
        Of one processor.
    """

    batch: int
    events: int
    eps: float
    ack_ms: Quantiles
    learned: int
    client_share: float


class Ingest(msgspec.Struct, frozen=True):
    """Medians of the rounds.

    Attributes
    ----------
    ingest_eps
        With 100 events per request.
    ingest_eps_by_batch
        By events per request.
    learned_before_ack
        Whether in every round everything was learned when the last acknowledgement came.
    """

    ingest_eps: float
    ingest_eps_by_batch: dict[int, float]
    ack_p50_ms_by_batch: dict[int, float]
    learned_before_ack: bool
    connections: int
    learned_before: int
    rounds: list[Acked]


class Sent(msgspec.Struct):
    """What the sender's process saw."""

    seconds: float
    accepted: int
    ack_ms: list[float]
    faults: list[str]
    cpu_share: float


async def _send(url: str, requests: Sequence[bytes], connections: int) -> Sent:
    waiting = deque(requests)
    bodies, ack_ms, faults = list[bytes](), list[float](), list[str]()

    async def one(connection: Connection) -> None:
        while waiting and not faults:
            request = waiting.popleft()
            sent_s = perf_counter()
            answer = await connection.ask(request)
            ack_ms.append((perf_counter() - sent_s) * 1000.0)
            if not answer.good:
                faults.append(f"{answer.fault}: {answer.body[:200].decode(errors='replace')}")
            bodies.append(answer.body)
        connection.close()

    lines = [await Connection.to(Address.of(url)) for _ in range(connections)]
    began_s, used_s = perf_counter(), process_time()
    async with asyncio.TaskGroup() as group:
        for line in lines:
            group.create_task(one(line))
    seconds = perf_counter() - began_s
    share = (process_time() - used_s) / seconds
    accepted = 0 if faults else sum(_accepted.decode(body).accepted for body in bodies)
    return Sent(seconds, accepted, ack_ms, faults, round(share, 3))


def _sender(url: str, requests: Sequence[bytes], connections: int) -> Sent:
    return asyncio.run(_send(url, requests, connections))


def send_all(url: str, requests: Sequence[bytes], connections: int) -> Sent:
    """Send requests from a process of its own, each connection its next after an answer.

    Raises
    ------
    RuntimeError
        When nobody listens, or one is refused.
    """
    sent = in_child(_sender, url, requests, connections)
    if sent.faults:
        message = f"the server refused events: {sent.faults[0]}"
        raise RuntimeError(message)
    return sent


def acknowledged(url: str, events: Sequence[NewFeedback], batch: int, connections: int) -> Acked:
    """Send events and wait for all acknowledgements.

    Raises
    ------
    RuntimeError
        When not all were accepted, and by whom not.
    """
    starts = range(0, len(events), batch)
    requests = [request_of(url, send_events(events[one : one + batch])) for one in starts]
    before = learned_by(url)
    sent = send_all(url, requests, connections)
    learned = learned_by(url) - before
    if sent.accepted != len(events):
        message = f"{len(events) - sent.accepted} of {len(events)} events were not accepted"
        raise RuntimeError(message)
    return Acked(
        batch, len(events), len(events) / sent.seconds, Quantiles.of(sent.ack_ms), learned,
        sent.cpu_share,
    )  # fmt: skip


def measure(
    data: Path, *, rounds: int, events: int, connections: int, history: int | None,
    keep: Path | None, say: Callable[[str], None],
) -> Ingest:  # fmt: skip
    """Measure a server of our own.

    Parameters
    ----------
    events
        Per size and round; of those sent one by one a tenth.
    history, keep
        See ``warm_server``.

    Raises
    ------
    RuntimeError
        When the server does not start, or does not take what it is sent.
    """
    say("a server learns the history ...")
    found = list[Acked]()
    with warm_server(data, history=history, keep=keep) as warm:
        acknowledged(warm.url, warm.live.take(_WARM_UP), _MAIN, connections)
        for number in range(1, rounds + 1):
            for size in SIZES:
                settle(warm.url)
                n = math.ceil(events / 10) if size == 1 else events
                found.append(acknowledged(warm.url, warm.live.take(n), size, connections))
            told = ", ".join(f"{one.batch}: {one.eps:,.0f}" for one in found[-len(SIZES) :])
            say(f"round {number}: events/s by events per request {told}")
    return summary(found, connections=connections, learned_before=warm.learned)


def summary(found: Sequence[Acked], *, connections: int, learned_before: int) -> Ingest:
    """Sum up."""
    sizes = sorted({one.batch for one in found})
    by_batch = {size: [one for one in found if one.batch == size] for size in sizes}
    eps = {size: median(one.eps for one in ones) for size, ones in by_batch.items()}
    return Ingest(
        ingest_eps=eps[_MAIN],
        ingest_eps_by_batch=eps,
        ack_p50_ms_by_batch={
            size: median(one.ack_ms.p50 or 0.0 for one in ones) for size, ones in by_batch.items()
        },
        learned_before_ack=all(one.learned == one.events for one in found),
        connections=connections,
        learned_before=learned_before,
        rounds=list(found),
    )


def rows(found: Ingest) -> dict[str, str]:
    """Return what people read."""
    return {
        f"{size:,} per request": f"{eps:,.0f} events/s; an acknowledgement: "
        f"p50 {found.ack_p50_ms_by_batch[size]:.1f} ms"
        for size, eps in found.ingest_eps_by_batch.items()
    } | {"learned when acknowledged": "yes, all" if found.learned_before_ack else "not all"}
