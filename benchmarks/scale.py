"""What a request costs as the people and the items become more.

Items: fresh engines with ever more of them (``benchmarks.catalogue_size``). People: one engine with
a store on the disk to which ever more people come, each of whom clicks twice on some of a thousand
items; whenever there are as many as wanted, lists of ten are made for random ones of all. Those
whom ``users.in_memory`` has no room for come back from the store, and that counts. Processor time,
medians of a thousand requests; one process, no server.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from statistics import median
from time import process_time
from typing import Final

import msgspec

from benchmarks.catalogue_size import Cost, catalogue_cost
from benchmarks.scale_plot import draw
from benchmarks.server import hear_signals
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Feedback, ItemUpsert
from recsys.settings import EngineSettings

__all__ = ["Scale", "by_users", "measure", "rows"]

_ITEMS: Final = 1000
_GENRES: Final = 20
_CLICKS: Final = 2
_BATCH: Final = 500
_SNAPSHOT_EVERY: Final = 5000
_RUNS: Final = 5
_ASKED: Final = 200
"""Lists per run."""
_SKEW: Final = 1.1
_START_MS: Final = 1_700_000_000_000


class Scale(msgspec.Struct, frozen=True):
    """Microseconds of one core per request.

    Attributes
    ----------
    by_users, by_items
        By how many there are.
    flat_in_users
        The dearest of ``by_users`` over the cheapest.
    catalogues
        Where the time goes, by source.
    """

    by_users: dict[int, float]
    by_items: dict[int, float]
    flat_in_users: float
    catalogues: list[Cost]


def by_users(
    folder: Path, numbers: Sequence[int], settings: EngineSettings, seed: int,
    say: Callable[[str], None],
) -> dict[int, float]:  # fmt: skip
    """Let people come to an engine in an empty folder; return microseconds by how many there are.

    Parameters
    ----------
    numbers
        Rising.
    """
    rng = Random(seed)
    chances = [1.0 / (place + 1.0) ** _SKEW for place in range(_ITEMS)]
    found = dict[int, float]()
    with closing(Engine.open(folder, settings)) as engine:
        engine.apply([_item(number) for number in range(_ITEMS)])
        came = unsaved = 0
        for number in numbers:
            while came < number:
                some = range(came, min(came + _BATCH // _CLICKS, number))
                picked = rng.choices(range(_ITEMS), chances, k=_CLICKS * len(some))
                engine.apply(_clicks(some, picked))
                came, unsaved = some.stop, unsaved + len(picked)
                if unsaved >= _SNAPSHOT_EVERY:
                    engine.snapshot()
                    unsaved = 0
            engine.snapshot()
            found[number] = _cost(engine, number, rng)
            say(f"{number:,} people: {found[number]:,.0f} us a request")
    return found


def _cost(engine: Engine, people: int, rng: Random) -> float:
    """Return the median over the runs of a request's median."""
    now_ms = _START_MS + 1000 * people * _CLICKS
    runs = list[float]()
    for run in range(_RUNS):
        spent = list[float]()
        for number in range(_ASKED):
            request = Request(
                user_id=f"person-{rng.randrange(people)}",
                ts_ms=now_ms,
                decision_id=f"d{people}-{run}-{number}",
                n=10,
            )
            before = process_time()
            engine.recommend(request)
            spent.append(process_time() - before)
        runs.append(median(spent))
    return 1e6 * median(runs)


def _clicks(people: Sequence[int], picked: Sequence[int]) -> list[Feedback]:
    return [
        Feedback(
            event_id=f"click-{person}-{click}",
            user_id=f"person-{person}",
            ts_ms=_START_MS + 1000 * (person * _CLICKS + click),
            type="click",
            item_id=f"i{picked[place * _CLICKS + click]}",
        )
        for place, person in enumerate(people)
        for click in range(_CLICKS)
    ]


def _item(number: int) -> ItemUpsert:
    return ItemUpsert(
        event_id=f"put-{number}",
        ts_ms=_START_MS,
        item_id=f"i{number}",
        attributes={"genre": [f"g{number % _GENRES}", f"g{number * 7 % _GENRES}"]},
    )


def measure(
    *, users: Sequence[int], items: Sequence[int], plot: Path | None, seed: int,
    say: Callable[[str], None],
) -> Scale:  # fmt: skip
    """Measure both.

    Parameters
    ----------
    users, items
        Rising.
    plot
        Where to draw it.
    """
    hear_signals()
    # Clicks that are drawn surprise every learner; its alarms are no news here.
    logging.getLogger("recsys.drift").setLevel(logging.ERROR)
    Engine.warm_up()
    catalogues = list[Cost]()
    for number in items:
        catalogues.append(catalogue_cost(number, seed, asked=_RUNS * _ASKED))
        say(f"{number:,} items: {catalogues[-1].request:,.0f} us a request")
    with tempfile.TemporaryDirectory(prefix="bench-recsys-") as name:
        people = by_users(Path(name), users, EngineSettings(), seed, say)
    found = Scale(
        by_users=people,
        by_items={cost.items: cost.request for cost in catalogues},
        flat_in_users=max(people.values()) / min(people.values()),
        catalogues=catalogues,
    )
    if plot is not None:
        say(draw(plot, {"people": found.by_users, "items": found.by_items}))
    return found


def rows(found: Scale) -> dict[str, str]:
    """Return what people read."""
    told: Mapping[str, str] = {
        f"{cost.items:,} items": f"{cost.request:,.0f} us a request; proposing: "
        + ", ".join(f"{name} {value:,.0f}" for name, value in cost.proposing.items())
        + f"; with an index, made in {cost.indexing_s:.1f} s: {cost.indexed_request:,.0f}, factors "
        f"{cost.indexed_factors:,.0f} and {cost.found:.1%} of what they propose"
        for cost in found.catalogues
    }
    return {
        **{f"{n:,} people": f"{us:,.0f} us a request" for n, us in found.by_users.items()},
        "dearest over cheapest": f"{found.flat_in_users:.2f}, of the people",
        **told,
    }
