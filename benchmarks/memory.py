"""What a shard's memory and disk hold when ever more people come, and whether who left comes back.

Each person clicks so many times on items whose popularity is Zipf-like, one person after the other;
the state is written every ``_SNAPSHOT_EVERY`` events, whereupon those whom ``users.in_memory`` has
no room for leave memory. Then some of all are looked up, most of whom the store must bring back,
and held against what they did. A process of its own, without a server; the resident memory is that
whole process's.

What a person in memory takes is the sum of the objects that they are made of, for some of them. By
how much the process grew while the second half of those who have room there came is told beside it;
in it is whatever else grew or shrank meanwhile.
"""

import gc
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from time import perf_counter
from types import FunctionType, ModuleType
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.child import in_child
from benchmarks.figures import Quantiles
from benchmarks.server import hear_signals
from recsys.engine import Engine
from recsys.events import Feedback, ItemUpsert
from recsys.settings import EngineSettings

__all__ = ["Memory", "let_come", "measure", "rows", "size_of"]

CAP_BYTES: Final = 2 << 30
"""What a shard of a million people shall stay below."""
_ITEMS: Final = 1000
_GENRES: Final = 20
_ZIPF: Final = 1.3
_BATCH: Final = 500
_SNAPSHOT_EVERY: Final = 5000
_LOOKED_UP: Final = 2000
_START_MS: Final = 1_700_000_000_000
_STEPS: Final = 10
_WEIGHED: Final = 1000
_SEED: Final = 1
_NOBODYS: Final = (type, ModuleType, FunctionType)


class Memory(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes
    ----------
    bytes_per_user
        Mean of the objects of some people in memory.
    growth_bytes_per_user
        By how much the process grew for each of the second half of those who have room in memory.
    disk_bytes_per_user
        Of the shard's files, log included.
    rss_bytes
        The most that the process ever had resident.
    resident_bytes
        By the number of people who had come; 0 before the first.
    in_memory
        People in memory at the end.
    back_us
        Looking up one of all people, in microseconds.
    wrong
        Of those who were looked up, how many were not as they had left.
    """

    bytes_per_user: float
    growth_bytes_per_user: float
    disk_bytes_per_user: float
    rss_bytes: int
    under_cap: bool
    users: int
    events: int
    eps: float
    resident_bytes: dict[int, int]
    in_memory: int
    looked_up: int
    back_us: Quantiles
    wrong: int


def let_come(folder: Path, users: int, events: int, settings: EngineSettings, seed: int) -> Memory:
    """Let people come to a shard in an empty folder."""
    engine = Engine.open(folder, settings)
    engine.apply([_item(number) for number in range(_ITEMS)])
    drawn = np.random.default_rng(seed).zipf(_ZIPF, users * events) % _ITEMS
    liked: NDArray[np.uint16] = drawn.astype(np.uint16)
    del drawn
    room = min(users, settings.users.in_memory)
    marks = {*(users * step // _STEPS for step in range(1, _STEPS + 1)), room // 2, room}
    resident = {0: _resident()}
    started_s = perf_counter()
    waiting, unsaved = list[Feedback](), 0
    for number in range(users):
        for click in range(events):
            place = number * events + click
            waiting.append(_click(number, place, int(liked[place])))
        if len(waiting) >= _BATCH or number == users - 1:
            engine.apply(waiting)
            unsaved += len(waiting)
            waiting = []
        if unsaved >= _SNAPSHOT_EVERY:
            engine.snapshot()
            unsaved = 0
        if number + 1 in marks:
            resident[number + 1] = _resident()
            Console(stderr=True, highlight=False).print(
                f"{number + 1:,} people: {resident[number + 1] / 2**20:,.0f} MiB, "
                f"{(number + 1) * events / (perf_counter() - started_s):,.0f} events/s"
            )
    engine.snapshot()
    elapsed_s = perf_counter() - started_s
    in_memory = engine.stats().users_in_memory
    weight = _weight(engine, range(users - min(_WEIGHED, in_memory), users))
    back_us, wrong = _come_back(engine, users, events, liked, seed)
    engine.close()
    size = sum(file.stat().st_size for file in folder.iterdir())
    most = _most_resident()
    return Memory(
        bytes_per_user=weight,
        growth_bytes_per_user=(resident[room] - resident[room // 2]) / (room - room // 2),
        disk_bytes_per_user=size / users,
        rss_bytes=most,
        under_cap=most < CAP_BYTES,
        users=users,
        events=users * events,
        eps=users * events / elapsed_s,
        resident_bytes=resident,
        in_memory=in_memory,
        looked_up=len(back_us),
        back_us=Quantiles.of(back_us),
        wrong=wrong,
    )


def _weight(engine: Engine, numbers: Iterable[int]) -> float:
    """Return the mean bytes of the objects of people who are in memory."""
    found = [engine.state.users.find(f"person-{number}") for number in numbers]
    people = [one for one in found if one is not None]
    # What several people share is no one's.
    shared = set[int]()
    return sum(size_of(one, shared) for one in people) / max(len(people), 1)


def size_of(thing: object, counted: set[int]) -> int:
    """Return the bytes of an object and all that it refers to, but for what was counted before.

    Parameters
    ----------
    counted
        Identities; those of this object are added. Classes, functions and modules never count.
    """
    waiting, total = [thing], 0
    while waiting:
        one = waiting.pop()
        if id(one) in counted or isinstance(one, _NOBODYS):
            continue
        counted.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, np.ndarray):
            # It counts its numbers only where it has made their memory itself.
            if isinstance(one.base, np.ndarray):
                waiting.append(one.base)
            elif one.base is not None:
                total += one.nbytes
        elif isinstance(one, msgspec.Struct):
            # Structs may be hidden from the collector, and then it does not know what they hold.
            waiting += [getattr(one, name) for name in one.__struct_fields__]
        else:
            waiting += gc.get_referents(one)
    return total


def _come_back(
    engine: Engine, users: int, events: int, liked: NDArray[np.uint16], seed: int
) -> tuple[list[float], int]:
    """Look people up; return the microseconds of each, and how many are not as they left."""
    spent, wrong = list[float](), 0
    for number in Random(seed).sample(range(users), min(_LOOKED_UP, users)):
        before = perf_counter()
        view = engine.user(f"person-{number}")
        spent.append(1e6 * (perf_counter() - before))
        first = number * events
        expected = [f"i{item}" for item in liked[first : first + events].tolist()]
        found = [] if view is None else [recent.item_id for recent in reversed(view.recent)]
        wrong += view is None or view.events != events or found != expected
    return spent, wrong


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _most_resident() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (most,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(most.split()[1]) * 1024


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


def _work(users: int, events: int, settings: EngineSettings, seed: int, folder: Path) -> Memory:
    # Clicks that are drawn surprise every learner; its alarms are no news here.
    logging.getLogger("recsys.drift").setLevel(logging.ERROR)
    Engine.warm_up(settings)
    return let_come(folder, users, events, settings, seed)


def measure(
    *, users: int, events: int, in_memory: int | None, say: Callable[[str], None]
) -> Memory:
    """Measure a shard in a process of its own.

    Parameters
    ----------
    events
        Of each.
    in_memory
        ``users.in_memory``; the default one without.

    Raises
    ------
    RuntimeError
        When somebody who was looked up was not as they had left.
    """
    hear_signals()
    settings = EngineSettings()
    if in_memory is not None:
        settings = EngineSettings.model_validate({"users": {"in_memory": in_memory}})
    say(f"{users:,} people of {events} events come ...")
    with tempfile.TemporaryDirectory(prefix="bench-recsys-") as name:
        found = in_child(_work, users, events, settings, _SEED, Path(name))
    if found.wrong:
        message = f"{found.wrong} of {found.looked_up:,} people were not as they had left"
        raise RuntimeError(message)
    return found


def rows(found: Memory) -> dict[str, str]:
    """Return what people read."""
    return {
        "resident memory": f"{found.rss_bytes / 2**20:,.0f} MiB at most: "
        f"{'under' if found.under_cap else 'above'} {CAP_BYTES / 2**30:g} GiB; "
        + ", ".join(
            f"{size / 2**20:,.0f} after {number:,}" for number, size in found.resident_bytes.items()
        ),
        "a person in memory": f"{found.bytes_per_user:,.0f} bytes by their objects, "
        f"{found.growth_bytes_per_user:,.0f} by growth of the process",
        "people in memory": f"{found.in_memory:,}",
        "on disk": f"{found.disk_bytes_per_user:,.0f} bytes per person, log included",
        "looking somebody up": found.back_us.text("us"),
        "not as they left": f"{found.wrong} of {found.looked_up:,}",
        "coming": f"{found.eps:,.0f} events/s",
    }
