"""How fast one engine learns and answers, on one core and without a server.

MovieLens's ratings are learned in the order of their times, with the films' genres and decades, as
``recsys train`` makes events of them: from five stars on a click, below a rating. Each batch is
appended to a store in memory and folded, by default settings. Then the data set's people are asked
for in random order, each for a list of ten, as of the last rating. Processor time of this process;
for one core start it under ``taskset -c 1``.
"""

import gc
import os
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Annotated, Final

import msgspec
import numpy as np
import typer
from rich.console import Console

from actors.cli.history import Source, read_history
from actors.settings import ServerSettings, ShardSettings
from actors.shard_map import ShardMap
from actors.training.history import decode_batch
from actors.training.teacher import prepare_process
from benchmarks.figures import quantile
from benchmarks.report import JsonOption, SeedOption, check_writable, run, show, write
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback
from recsys.settings import EngineSettings

__all__ = ["Answering", "Learning", "answer", "learn", "main", "read_stream"]

CHUNK: Final = 1000
"""Events between two looks at the clock."""
SLOTS: Final = 10
_DATA: Final = Path(os.environ.get("RECSYS_DATA", "")) / "ml-1m"
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


def main(
    *,
    data: Annotated[Path, typer.Option(help="A history; by default RECSYS_DATA/ml-1m.")] = _DATA,
    events: Annotated[int | None, typer.Option(min=1000, help="Only the first so many.")] = None,
    requests: Annotated[int, typer.Option(min=1, help="Per run.")] = 2000,
    runs: Annotated[int, typer.Option(min=1)] = 5,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Measure the engine on one core."""
    check_writable(json_file)
    prepare_process()
    settings = EngineSettings()
    stream = read_stream(data, settings, events)
    Engine.warm_up(settings)
    with closing(Engine.open(None, settings)) as engine:
        gc.freeze()
        Console(stderr=True).print(f"{len(stream):,} events", highlight=False)
        learning = learn(engine, stream)
        known = sorted({event.user_id for event in stream if isinstance(event, Feedback)})
        drawn = np.random.default_rng(seed).integers(len(known), size=requests)
        people = [known[one] for one in drawn.tolist()]
        now_ms = max(event.ts_ms for event in stream)
        answering = answer(engine, people, now_ms, runs, seed)
    rows = {
        "learning": f"{learning.learn_eps:,.0f} events/s (median of thousands), "
        f"{learning.overall_eps:,.0f} overall",
        "by stretch": ", ".join(f"{rate:,.0f}" for rate in learning.by_stretch),
        "answering": f"{answering.engine_rps:,.0f} requests/s "
        f"(runs: {', '.join(f'{rate:,.0f}' for rate in answering.runs)})",
        "a request": f"p50 {answering.p50_us:.0f}, p99 {answering.p99_us:.0f} us",
    }
    show(f"{data.name}: one engine, one process", rows)
    parameters = {"data": data.name, "events": len(stream), "seed": seed, "slots": SLOTS}
    write(json_file, "engine", parameters, {"learning": learning, "answering": answering})


if __name__ == "__main__":
    run(main)
