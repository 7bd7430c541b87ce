"""What a shard's memory holds when ever more people come, and whether those who left come back.

Each person clicks ``clicks`` times on items whose popularity is Zipf-like, one person after the
other; the state is written every ``_SNAPSHOT_EVERY`` events, whereupon those whom
``users.in_memory`` has no room for leave memory. Then some of all are looked up, most of whom the
store must bring back, and held against what they did. One process, no server; the resident memory
is the whole process's.
"""

import os
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated, Final

import msgspec
import numpy as np
import typer
from rich.console import Console

from benchmarks.figures import Quantiles
from benchmarks.report import JsonOption, SeedOption, check_writable, run, show, write
from recsys.engine import Engine
from recsys.events import Feedback, ItemUpsert
from recsys.settings import EngineSettings

__all__ = ["Held", "main", "measure"]

_ITEMS: Final = 1000
_GENRES: Final = 20
_ZIPF: Final = 1.3
_BATCH: Final = 500
_SNAPSHOT_EVERY: Final = 5000
_LOOKED_UP: Final = 2000
_START_MS: Final = 1_700_000_000_000
_STEPS: Final = 10


class Held(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes
    ----------
    resident_mib
        Resident memory of the process, by the number of people who had come; 0 before the first.
    in_memory
        People in memory at the end.
    disk_bytes
        Of the shard's files per person, log included.
    back_us
        Looking up one of all people, in microseconds.
    wrong
        Of those who were looked up, how many were not as they had left.
    """

    people: int
    clicks: int
    elapsed_s: float
    resident_mib: dict[int, float]
    in_memory: int
    disk_bytes: float
    looked_up: int
    back_us: Quantiles
    wrong: int


def measure(folder: Path, people: int, clicks: int, settings: EngineSettings, seed: int) -> Held:
    """Let people come to a shard in an empty folder."""
    engine = Engine.open(folder, settings)
    engine.apply([_item(number) for number in range(_ITEMS)])
    liked = np.random.default_rng(seed).zipf(_ZIPF, people * clicks) % _ITEMS
    resident = {0: _resident_mib()}
    started_s = perf_counter()
    waiting, unsaved, came = list[Feedback](), 0, 0
    for number in range(people):
        for click in range(clicks):
            place = number * clicks + click
            waiting.append(_click(number, place, int(liked[place])))
        if len(waiting) >= _BATCH or number == people - 1:
            engine.apply(waiting)
            unsaved += len(waiting)
            waiting = []
        if unsaved >= _SNAPSHOT_EVERY:
            engine.snapshot()
            unsaved = 0
        if (number + 1) * _STEPS // people > came:
            came = (number + 1) * _STEPS // people
            resident[number + 1] = _resident_mib()
            Console(stderr=True).print(f"{number + 1:,} people: {resident[number + 1]:,.0f} MiB")
    engine.snapshot()
    elapsed_s = perf_counter() - started_s
    in_memory = engine.stats().users_in_memory
    back_us, wrong = _come_back(engine, people, clicks, liked, seed)
    engine.close()
    size = sum(file.stat().st_size for file in folder.iterdir())
    return Held(
        people, clicks, round(elapsed_s, 1), resident, in_memory, size / people,
        len(back_us), Quantiles.of(back_us), wrong,
    )  # fmt: skip


def _come_back(
    engine: Engine, people: int, clicks: int, liked: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    seed: int,
) -> tuple[list[float], int]:  # fmt: skip
    """Look people up; return the microseconds of each, and how many are not as they left."""
    spent, wrong = list[float](), 0
    for number in Random(seed).sample(range(people), min(_LOOKED_UP, people)):
        before = perf_counter()
        view = engine.user(f"person-{number}")
        spent.append(1e6 * (perf_counter() - before))
        first = number * clicks
        expected = [f"i{item}" for item in liked[first : first + clicks].tolist()]
        found = [] if view is None else [recent.item_id for recent in reversed(view.recent)]
        wrong += view is None or view.events != clicks or found != expected
    return spent, wrong


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def _item(number: int) -> ItemUpsert:
    return ItemUpsert(
        event_id=f"put-{number}",
        ts_ms=_START_MS,
        item_id=f"i{number}",
        attributes={"genre": [f"g{number % _GENRES}", f"g{number * 7 % _GENRES}"]},
    )


def _click(person: int, place: int, item: int) -> Feedback:
    return Feedback(
        event_id=f"click-{place}",
        user_id=f"person-{person}",
        ts_ms=_START_MS + 100 * place,
        type="click",
        item_id=f"i{item}",
    )


def main(
    *,
    people: Annotated[int, typer.Option(min=10, help="How many come.")] = 1_000_000,
    clicks: Annotated[int, typer.Option(min=1, max=50, help="Of each.")] = 1,
    in_memory: Annotated[
        int, typer.Option(min=1, help="users.in_memory.")
    ] = EngineSettings().users.in_memory,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
) -> None:
    """Measure the memory of a shard to which ever more people come."""
    check_writable(json_file)
    settings = EngineSettings.model_validate({"users": {"in_memory": in_memory}})
    Engine.warm_up(settings)
    with tempfile.TemporaryDirectory() as folder:
        held = measure(Path(folder), people, clicks, settings, seed)
    show(
        f"{people:,} people of {clicks} clicks",
        {
            "resident memory": ", ".join(
                f"{mib:,.0f} MiB after {number:,}" for number, mib in held.resident_mib.items()
            ),
            "people in memory": f"{held.in_memory:,}",
            "on disk": f"{held.disk_bytes:,.0f} bytes per person, log included",
            "looking somebody up": held.back_us.text("us"),
            "not as they left": f"{held.wrong} of {held.looked_up:,}",
            "time": f"{held.elapsed_s:,.0f} s",
        },
    )
    parameters = {"people": people, "clicks": clicks, "in_memory": in_memory, "seed": seed}
    write(json_file, "many_users", parameters, held)
    if held.wrong:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
