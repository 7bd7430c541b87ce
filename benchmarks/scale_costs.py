"""Measures the constants of the simulation that one process can measure, and writes them down.

One engine with a store on the disk, drawn people and a thousand items: lists are made, their
decisions and clicks on them appended and learned, then the state is captured. Processor time of the
thread for what computes; time that passes for a commit, which waits for the disk.
"""

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import perf_counter, thread_time
from typing import Annotated, Final

import typer

from benchmarks.report import SeedOption, run, show
from benchmarks.scaling.constants import FILE, Constant, Costs, quantiles_of
from recsys.codec import encode_event
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback, ItemUpsert
from recsys.settings import EngineSettings

__all__ = ["Life", "main", "measure"]

_ITEMS: Final = 1000
_GENRES: Final = 20
_PEOPLE: Final = 2000
_START_MS: Final = 1_700_000_000_000
_STEP_MS: Final = 200
_CAPTURES: Final = 12
_COMMAND: Final = "`python -m benchmarks.scale_costs`"


class Life:
    """People who ask, click on what they are shown, and ask again.

    Attributes
    ----------
    spent
        Seconds, or bytes in millions, by name of a constant.
    """

    def __init__(self, engine: Engine, seed: int) -> None:
        engine.apply([_item(number) for number in range(_ITEMS)])
        self._engine = engine
        self._rng = Random(seed)
        self._now_ms = _START_MS
        self._number = 0
        self.spent = defaultdict[str, list[float]](list)

    def visit(self) -> None:
        """Let somebody ask and click once."""
        self._number += 1
        self._now_ms += _STEP_MS
        person = f"person-{int(_PEOPLE * self._rng.random() ** 2)}"
        request = Request(user_id=person, ts_ms=self._now_ms, decision_id=f"d{self._number}", n=10)
        begun = thread_time()
        decision = self._engine.recommend(request).decision
        self.spent["recommend_us"].append(thread_time() - begun)
        chosen = decision.slots[int(10 * self._rng.random() ** 2) % len(decision.slots)]
        click = Feedback(
            event_id=f"click-{self._number}",
            user_id=person,
            ts_ms=self._now_ms + _STEP_MS // 2,
            type="click",
            item_id=chosen.item_id,
            decision_id=decision.event_id,
        )
        self._learn("decision", decision)
        self._learn("event", click)

    def _learn(self, name: str, event: Event) -> None:
        engine = self._engine
        asked, begun = perf_counter(), thread_time()
        appends = engine.append([event])
        flushed, written = perf_counter(), thread_time()
        engine.fold([event], appends)
        self.spent[f"{name}_us"].append(thread_time() - written)
        self.spent["flush_us"].append(flushed - asked)
        self.spent["commit_us"].append(written - begun)
        self.spent[f"{name}_bytes"].append(1e-6 * len(encode_event(event)))


def measure(folder: Path, visits: int, seed: int) -> dict[str, Sequence[float]]:
    """Return microseconds, or bytes, by name of the constant; the first third is left out."""
    engine = Engine.open(folder, EngineSettings())
    life = Life(engine, seed)
    captures = list[float]()
    for number in range(visits):
        life.visit()
        if number % (visits // _CAPTURES) == 0:
            begun = thread_time()
            capture = engine.capture()
            captures.append(thread_time() - begun)
            engine.commit(capture)
            engine.committed(capture)
    engine.close()
    spent = dict(life.spent, capture_us=captures)
    return {name: [1e6 * one for one in all_[len(all_) // 3 :]] for name, all_ in spent.items()}


def _item(number: int) -> ItemUpsert:
    return ItemUpsert(
        event_id=f"put-{number}",
        ts_ms=_START_MS,
        item_id=f"item-{number}",
        attributes={"genre": [f"g{number % _GENRES}", f"g{number * 7 % _GENRES}"]},
    )


def main(
    *,
    visits: Annotated[int, typer.Option(min=600, help="Lists, each with a click.")] = 9000,
    seed: SeedOption = 1,
    into: Annotated[Path, typer.Option(help="Where the constants are.")] = FILE,
) -> None:
    """Measure what lists, events and commits cost, and renew the constants of the simulation."""
    Engine.warm_up(EngineSettings())
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), visits, seed)
    costs = Costs.read(into)
    for name, values in measured.items():
        scatters = name.endswith("_us")
        costs.constants[name] = Constant(
            value=round(sum(values) / len(values), 1),
            unit="us" if scatters else "bytes",
            kind="measured",
            source=_COMMAND,
            points=quantiles_of(values) if scatters else (),
        )
    costs.write(into)
    show(
        f"{visits:,} lists and clicks",
        {name: f"{costs.mean(name):,.1f} {costs[name].unit}" for name in measured},
    )


if __name__ == "__main__":
    run(main)
