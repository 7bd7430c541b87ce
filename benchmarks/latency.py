"""How near a list of ten is to an endpoint that does nothing, and its tail while much is learned.

Rounds of four loads, one after the other, so that whatever else the machine does meets all of them:
the endpoint that does nothing (``benchmarks.noop``) and ``/v1/recommend``, each asked by one client
and by 64 (``benchmarks.closed_loop``), the same bodies for both, known people in random order. Then
an open loop at half of what 64 clients got, beside a thousand events a second of other people,
learned as they come (``benchmarks.open_loop``).
"""

import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import msgspec

from benchmarks.closed_loop import Closed, Loader, loader
from benchmarks.connection import request_of
from benchmarks.figures import Quantiles
from benchmarks.noop import start_noop
from benchmarks.open_loop import OpenLoop, Stream, open_loop
from benchmarks.warm import Live, question, warm_server
from recsys.client import Client
from recsys.client.calls import Call, send_events

__all__ = [
    "Latency", "Round", "Under", "closed_rounds", "learned_by", "measure", "rows", "settle",
    "summary", "under_learning",
]  # fmt: skip

_PATH: Final = "/v1/recommend"
_MANY: Final = 64
_WARMING_S: Final = 2.0
_SETTLE_S: Final = 60.0
_SEED: Final = 1

Say = Callable[[str], None]


class Round(msgspec.Struct, frozen=True):
    """Four loads in a row: of one client and of many."""

    noop_one: Closed
    recommend_one: Closed
    noop_many: Closed
    recommend_many: Closed


class Under(msgspec.Struct, frozen=True):
    """Lists at a constant rate beside learning.

    Attributes
    ----------
    list_ms, ack_ms
        From the intended moments; what failed or had no answer included.
    list_late_ms
        From the intended moment to sending: in it is whatever the generator itself adds.
    learned_eps
        Events that came into the shards' state, a second of this load.
    kept
        Whether the rate was kept; ``reason`` says why not.
    generator_share
        Of one processor.
    errors
        By what was asked and how it failed.
    """

    lists_per_s: float
    events_per_s: float
    list_ms: Quantiles
    list_late_ms: Quantiles
    ack_ms: Quantiles
    learned_eps: float
    kept: bool
    reason: str
    generator_share: float
    errors: dict[str, int]


class Latency(msgspec.Struct, frozen=True):
    """What was measured: medians of the rounds, ratios of the rounds' own ratios.

    Attributes
    ----------
    under_learning_ms
        Of all rounds together; ``p99_under_learning_ms`` is the median of theirs.
    clients_by
        What the closed loop was.
    """

    noop_p50_ms: float
    recommend_p50_ms: float
    ratio_p50: float
    noop_rps: float
    recommend_rps: float
    ratio_rps: float
    p99_under_learning_ms: float
    under_learning_ms: Quantiles
    rate_kept: bool
    errors: dict[str, int]
    clients_by: str
    learned_before: int
    rounds: list[Round]
    under_learning: list[Under]


def closed_rounds(
    load: Loader,
    urls: tuple[str, str],
    noop: str,
    bodies: Sequence[bytes],
    *,
    rounds: int,
    seconds: float,
    say: Say,
) -> list[Round]:
    """Load the two endpoints in turn.

    Parameters
    ----------
    urls
        Of the server with the endpoint that does nothing, and of ours; the same one, as a rule.
    noop
        Path of the endpoint that does nothing.
    """
    found = list[Round]()
    for clients in (1, _MANY):
        for url, path in zip(urls, (noop, _PATH), strict=True):
            load(url, path, bodies, clients=clients, seconds=_WARMING_S)
    for number in range(1, rounds + 1):
        loads = [
            load(url, path, bodies, clients=clients, seconds=seconds)
            for clients in (1, _MANY)
            for url, path in zip(urls, (noop, _PATH), strict=True)
        ]
        found.append(Round(*loads))
        one = found[-1]
        say(
            f"round {number}: 1 client {one.noop_one.p50_ms:.2f} and {one.recommend_one.p50_ms:.2f}"
            f" ms, {_MANY} clients {one.noop_many.rps:,.0f} and {one.recommend_many.rps:,.0f}/s"
        )
    return found


def under_learning(
    url: str, people: Sequence[str], live: Live, *, lists_per_s: float, events_per_s: float,
    batch: int, seconds: float, seed: int,
) -> tuple[Under, OpenLoop]:  # fmt: skip
    """Ask at a constant rate while events of others are learned.

    Raises
    ------
    RuntimeError
        When there are not enough events, or nobody listens.
    """
    rng = Random(seed)
    asked = [_post(url, question(person)) for person in rng.sample(people, len(people))]
    n_batches = math.ceil(events_per_s * seconds / batch)
    sent = [request_of(url, send_events(live.take(batch))) for _ in range(n_batches)]
    streams = [
        Stream("lists", lists_per_s, asked),
        Stream("events", events_per_s / batch, sent, again=False),
    ]
    before = learned_by(url)
    found = open_loop(url, streams, seconds)
    learned = learned_by(url) - before
    lists, events = found.flow("lists"), found.flow("events")
    errors = {f"{flow.name}: {kind}": n for flow in found.flows for kind, n in flow.errors.items()}
    return Under(
        round(lists_per_s, 1), events_per_s, lists.quantiles, lists.late_ms, events.quantiles,
        round(learned / found.seconds, 1), found.kept, found.reason, found.cpu_share, errors,
    ), found  # fmt: skip


def learned_by(url: str) -> int:
    """Return how much feedback the shards have learned."""
    with Client(url) as client:
        return sum(sum(one.engine.feedback.values()) for one in client.stats().shards)


def settle(url: str) -> None:
    """Wait until nothing waits to be written or learned any more.

    Raises
    ------
    RuntimeError
        When that takes longer than a minute.
    """
    deadline = time.monotonic() + _SETTLE_S
    with Client(url) as client:
        while any(shard.queue for shard in client.stats().shards):
            if time.monotonic() > deadline:
                message = f"the shards still have events that wait after {_SETTLE_S:.0f} s"
                raise RuntimeError(message)
            time.sleep(0.1)


def _post(url: str, body: bytes) -> bytes:
    return request_of(url, Call("POST", _PATH, object, body))


def measure(
    data: Path, *, rounds: int, seconds: float, history: int | None, events_per_s: float,
    batch: int, keep: Path | None, say: Say,
) -> Latency:  # fmt: skip
    """Measure a server of our own.

    Parameters
    ----------
    seconds
        Of each load.
    history
        Events that are learned before; nine tenths of the data without.
    batch
        Events per request.
    keep
        See ``warm_server``.

    Raises
    ------
    RuntimeError
        When the server does not start or does not answer.
    """
    say("a server learns the history ...")
    with (
        tempfile.TemporaryDirectory(prefix="bench-recsys-") as name,
        warm_server(data, history=history, keep=keep) as warm,
    ):
        load, tool = loader(Path(name))
        noop = start_noop(warm.server)
        say(f"{warm.learned:,} events learned; asked by {tool}")
        bodies = [
            question(person) for person in Random(_SEED).sample(warm.people, len(warm.people))
        ]
        found = closed_rounds(
            load, (warm.url, warm.url), noop, bodies, rounds=rounds, seconds=seconds, say=say
        )
        half = median(one.recommend_many.rps for one in found) / 2.0
        tails, all_ms = list[Under](), list[float]()
        for number in range(rounds):
            settle(warm.url)
            under, loop = under_learning(
                warm.url, warm.people, warm.live, lists_per_s=half, events_per_s=events_per_s,
                batch=batch, seconds=seconds, seed=_SEED + number,
            )  # fmt: skip
            say(f"{half:,.0f} lists/s: {under.list_ms.text('ms')}{_unkept(under)}")
            tails.append(under)
            all_ms += loop.flow("lists").latencies_ms
    return summary(found, tails, all_ms, clients_by=tool, learned_before=warm.learned)


def _unkept(under: Under) -> str:
    return "" if under.kept else f" (the rate was not kept: {under.reason})"


def summary(
    rounds: Sequence[Round], tails: Sequence[Under], all_ms: Sequence[float], *,
    clients_by: str, learned_before: int,
) -> Latency:  # fmt: skip
    """Sum up; ``all_ms`` are the latencies of all tails."""
    return Latency(
        noop_p50_ms=median(one.noop_one.p50_ms for one in rounds),
        recommend_p50_ms=median(one.recommend_one.p50_ms for one in rounds),
        ratio_p50=median(one.recommend_one.p50_ms / one.noop_one.p50_ms for one in rounds),
        noop_rps=median(one.noop_many.rps for one in rounds),
        recommend_rps=median(one.recommend_many.rps for one in rounds),
        ratio_rps=median(one.recommend_many.rps / one.noop_many.rps for one in rounds),
        p99_under_learning_ms=median(one.list_ms.p99 or 0.0 for one in tails),
        under_learning_ms=Quantiles.of(all_ms),
        rate_kept=all(one.kept for one in tails),
        errors=_errors(rounds, tails),
        clients_by=clients_by,
        learned_before=learned_before,
        rounds=list(rounds),
        under_learning=list(tails),
    )


def _errors(rounds: Sequence[Round], tails: Sequence[Under]) -> dict[str, int]:
    found = Counter[str]()
    for one in rounds:
        for name in Round.__struct_fields__:
            load: Closed = getattr(one, name)
            found.update({f"{name}: {kind}": n for kind, n in load.errors.items()})
    for tail in tails:
        found.update({f"under_learning, {kind}": n for kind, n in tail.errors.items()})
    return dict(found)


def rows(found: Latency) -> dict[str, str]:
    """Return what people read."""
    unkept = [tail.reason for tail in found.under_learning if not tail.kept]
    tail = found.under_learning_ms
    return {
        "1 client, nothing done": f"p50 {found.noop_p50_ms:.2f} ms",
        "1 client, a list": (
            f"p50 {found.recommend_p50_ms:.2f} ms: {found.ratio_p50:.2f} times that"
        ),
        f"{_MANY} clients, nothing done": f"{found.noop_rps:,.0f}/s",
        f"{_MANY} clients, lists": f"{found.recommend_rps:,.0f}/s: {found.ratio_rps:.2f} of that",
        "a list while others' events are learned": (
            f"p99 {found.p99_under_learning_ms:.1f} ms, median of rounds; of all "
            f"{tail.text('ms')}, p99.9 {tail.p999 or 0.0:.2f}"
        ),
        "the rate was kept": (
            "yes" if found.rate_kept else f"not in {len(unkept)} rounds: {unkept[0]}"
        ),
        "errors": ", ".join(f"{n} {kind}" for kind, n in found.errors.items()) or "none",
    }
