"""How fast one engine learns and answers, on one core and without a server.

MovieLens's ratings are learned in the order of their times, with the films' genres and decades, as
``recsys train`` makes events of them: from five stars on a click, below a rating. Each batch is
appended to a store in memory and folded, by default settings. Then the data set's people are asked
for in random order, each for a list of ten, as of the last rating. Processor time of this process;
for one core start it under ``taskset -c 1``.
"""

import gc
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Final

import msgspec
import numpy as np

from actors.cli.history import Source, read_history
from actors.settings import ServerSettings, ShardSettings
from actors.shard_map import ShardMap
from actors.training.history import decode_batch
from benchmarks.figures import quantile
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback
from recsys.settings import EngineSettings

__all__ = ["Answering", "Learning", "Speed", "answer", "learn", "measure", "read_stream", "rows"]

CHUNK: Final = 1000
"""Events between two looks at the clock."""
SLOTS: Final = 10
_STRETCHES: Final = 5
"""Stretches of the stream of which the speed is told, each by the median of its chunks."""


class Learning(msgspec.Struct, frozen=True):
    """How fast a stream was learned.

    Attributes
    ----------
    learn_eps
        Events a second: the median over chunks of a thousand.
    overall_eps
        All events by all time.
    by_stretch
        The medians of equal parts of the stream, in its order.
    """

    events: int
    learn_eps: float
    overall_eps: float
    by_stretch: list[float]


class Answering(msgspec.Struct, frozen=True):
    """How fast lists were made.

    Attributes
    ----------
    engine_rps
        Requests a second: the median over the runs.
    p50_us, p99_us
        Of a request, of all runs together; time that passes.
    """

    requests: int
    runs: list[float]
    engine_rps: float
    p50_us: float
    p99_us: float


def read_stream(data: Path, engine: EngineSettings, most: int | None = None) -> list[Event]:
    """Return a folder's events in the order in which one shard would learn them."""
    settings = ServerSettings(shards=ShardSettings(count=1), engine=engine)
    history = read_history(Source(data), settings)
    (lessons,) = history.divide(ShardMap.dealt_out(1, settings.shards.partitions), 1)
    events = list[Event]()
    for batch in lessons.batches():
        events += decode_batch(batch)
        if most is not None and len(events) >= most:
            break
    return events[:most]


def learn(engine: Engine, events: Sequence[Event]) -> Learning:
    """Append and fold a stream, chunk by chunk."""
    spent = list[float]()
    for first in range(0, len(events), CHUNK):
        chunk = events[first : first + CHUNK]
        before = process_time()
        engine.check(chunk)
        engine.fold(chunk, engine.append(chunk))
        spent.append((process_time() - before) / len(chunk))
    edges = [round(part * len(spent) / _STRETCHES) for part in range(_STRETCHES + 1)]
    stretches = [spent[a:b] for a, b in pairwise(edges) if a < b]
    return Learning(
        len(events),
        1.0 / median(spent),
        1.0 / (sum(spent) / len(spent)),
        [1.0 / median(stretch) for stretch in stretches],
    )


def answer(engine: Engine, people: Sequence[str], ts_ms: int, runs: int, seed: int) -> Answering:
    """Ask for lists, ``len(people)`` a run."""
    rates, each = list[float](), list[float]()
    for turn in range(runs):
        order = np.random.default_rng([seed, turn]).permutation(len(people)).tolist()
        requests = [
            Request(user_id=people[one], ts_ms=ts_ms, decision_id=f"d{turn}-{place}", n=SLOTS)
            for place, one in enumerate(order)
        ]
        began = process_time()
        for request in requests:
            before = perf_counter()
            engine.recommend(request)
            each.append(perf_counter() - before)
        rates.append(len(requests) / (process_time() - began))
    p50, p99 = (1e6 * quantile(each, share) for share in (0.5, 0.99))
    return Answering(len(people), rates, median(rates), p50, p99)


class Speed(msgspec.Struct, frozen=True):
    """Both; the two figures by themselves, the rest below."""

    learn_eps: float
    engine_rps: float
    learning: Learning
    answering: Answering


def measure(
    data: Path, *, events: int | None, requests: int, runs: int, seed: int,
    say: Callable[[str], None],
) -> Speed:  # fmt: skip
    """Measure an engine in this process.

    Parameters
    ----------
    events
        Only the first so many of the data; all without.
    requests
        Per run.
    """
    settings = EngineSettings()
    stream = read_stream(data, settings, events)
    Engine.warm_up(settings)
    with closing(Engine.open(None, settings)) as engine:
        gc.freeze()
        say(f"{len(stream):,} events are learned ...")
        learning = learn(engine, stream)
        known = sorted({event.user_id for event in stream if isinstance(event, Feedback)})
        drawn = np.random.default_rng(seed).integers(len(known), size=requests)
        people = [known[one] for one in drawn.tolist()]
        now_ms = max(event.ts_ms for event in stream)
        say(f"{requests:,} lists are made, {runs} times ...")
        answering = answer(engine, people, now_ms, runs, seed)
    return Speed(learning.learn_eps, answering.engine_rps, learning, answering)


def rows(found: Speed) -> dict[str, str]:
    """Return what people read."""
    learning, answering = found.learning, found.answering
    return {
        "learning": f"{learning.learn_eps:,.0f} events/s (median of thousands), "
        f"{learning.overall_eps:,.0f} overall",
        "by stretch": ", ".join(f"{rate:,.0f}" for rate in learning.by_stretch),
        "answering": f"{answering.engine_rps:,.0f} requests/s "
        f"(runs: {', '.join(f'{rate:,.0f}' for rate in answering.runs)})",
        "a request": f"p50 {answering.p50_us:.0f}, p99 {answering.p99_us:.0f} us",
    }
