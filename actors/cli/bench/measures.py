"""The commands of ``recsys bench`` that measure speed and memory; thin over ``benchmarks``.

What measures is no part of what is installed: it starts servers, loads them, and needs a checkout.
"""

import importlib
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from actors.cli.bench.output import check_out, write
from actors.cli.problems import fail
from recsys.errors import RecsysError

__all__ = ["add_measures"]

_INTERRUPTED: Final = 130
_VARIABLE: Final = "RECSYS_DATA"
_NAME: Final = "ml-1m"

DataOption = Annotated[
    Path | None,
    typer.Option(
        help=f"A MovieLens folder, or the one that {_NAME} is in; by default {_VARIABLE}/{_NAME}."
    ),
]
OutOption = Annotated[Path | None, typer.Option("--json", help="Write the result here.")]
RoundsOption = Annotated[int, typer.Option(min=1, help="The figures are medians of so many.")]
HistoryOption = Annotated[
    int | None,
    typer.Option(min=1, help="Events learned before; nine tenths of the data without."),
]
KeepOption = Annotated[
    Path | None,
    typer.Option(help="A folder that what was learned before stays in, and is found in again."),
]


def latency(
    data: DataOption = None,
    rounds: RoundsOption = 5,
    seconds: Annotated[float, typer.Option(min=1.0, help="Of each load.")] = 5.0,
    events_per_s: Annotated[float, typer.Option(min=1.0, help="Learned beside lists.")] = 1000.0,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Of these, per request.")] = 100,
    history: HistoryOption = None,
    keep: KeepOption = None,
    out: OutOption = None,
) -> None:
    """Hold lists against an endpoint that does nothing; their tail while much is learned."""
    options = {"seconds": seconds, "events_per_s": events_per_s, "batch": batch}
    _served("latency", data, out, {"rounds": rounds, **options, "history": history}, keep)


def ingest(
    data: DataOption = None,
    rounds: RoundsOption = 5,
    events: Annotated[int, typer.Option(min=1000, help="Per size and round.")] = 8000,
    connections: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 8,
    history: HistoryOption = None,
    keep: KeepOption = None,
    out: OutOption = None,
) -> None:
    """Count events a second that are on the disk and learned before they are acknowledged."""
    options = {"events": events, "connections": connections, "history": history}
    _served("ingest", data, out, {"rounds": rounds, **options}, keep)


def freshness(
    data: DataOption = None,
    rounds: RoundsOption = 5,
    people: Annotated[int, typer.Option(min=1, help="Who click once, per round.")] = 200,
    history: HistoryOption = None,
    keep: KeepOption = None,
    out: OutOption = None,
) -> None:
    """Time a click until it is seen: in one's own next list, and in those of others elsewhere."""
    options = {"rounds": rounds, "people": people, "history": history}
    _served("freshness", data, out, options, keep)


def memory(
    users: Annotated[int, typer.Option(min=1000, help="How many come.")] = 1_000_000,
    events: Annotated[int, typer.Option(min=1, max=50, help="Of each.")] = 20,
    in_memory: Annotated[
        int | None, typer.Option(min=100, help="users.in_memory, instead of the default.")
    ] = None,
    out: OutOption = None,
) -> None:
    """Weigh what a shard's memory and disk hold of many people."""
    options = {"users": users, "events": events, "in_memory": in_memory}
    _measure("memory", {}, options, out)


def learn(
    data: DataOption = None,
    events: Annotated[int | None, typer.Option(min=1000, help="Only the first so many.")] = None,
    requests: Annotated[int, typer.Option(min=1, help="Per run.")] = 2000,
    runs: Annotated[int, typer.Option(min=1, help="Of requests.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 1,
    out: OutOption = None,
) -> None:
    """Time one engine that learns and answers, on one core and without a server."""
    options = {"events": events, "requests": requests, "runs": runs, "seed": seed}
    _measure("engine", {"data": _data(data)}, options, out, name="learn")


def scale(
    users: Annotated[str, typer.Option(help="How many, comma between them.")] = (
        "1000,10000,100000,1000000"
    ),
    items: Annotated[str, typer.Option(help="How many, comma between them.")] = "1000,10000,100000",
    plot: Annotated[
        Path | None, typer.Option(help="Draw it here: .png, .svg or .pdf, else as text.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 1,
    out: OutOption = None,
) -> None:
    """Time a request as the people and the items become more."""
    options = {"users": _numbers(users, "--users"), "items": _numbers(items, "--items")}
    if plot is not None and not plot.resolve().parent.is_dir():
        fail(f"--plot: the folder {plot.resolve().parent} does not exist", 2)
    _measure("scale", {"plot": plot}, {**options, "seed": seed}, out)


def peers(
    data: DataOption = None,
    rounds: RoundsOption = 5,
    seconds: Annotated[float, typer.Option(min=1.0, help="Of each load.")] = 3.0,
    events: Annotated[int, typer.Option(min=100, help="Per round.")] = 5000,
    venv: Annotated[
        Path | None,
        typer.Option(help="A virtual environment with benchmarks/peers/requirements.txt."),
    ] = None,
    out: OutOption = None,
) -> None:
    """Hold us against the obvious alternatives; without --venv one is made, and goes."""
    options = {"rounds": rounds, "seconds": seconds, "events": events}
    _measure("contest", {"data": _data(data), "venv": venv}, options, out, name="peers")


def add_measures(group: typer.Typer) -> None:
    """Add the commands to ``recsys bench``."""
    for command in (latency, ingest, freshness, memory, learn, scale, peers):
        group.command()(command)


def _served(
    name: str, data: Path | None, out: Path | None, options: Mapping[str, object], keep: Path | None
) -> None:
    if keep is not None and not keep.resolve().parent.is_dir():
        fail(f"--keep: the folder {keep.resolve().parent} does not exist", 2)
    _measure(name, {"data": _data(data), "keep": keep}, options, out)


def _measure(
    module: str,
    places: Mapping[str, Path | None],
    options: Mapping[str, object],
    out: Path | None,
    *,
    name: str | None = None,
) -> None:
    """Run a benchmark, print its table and write its document.

    Parameters
    ----------
    places
        Paths, which say nothing about the result and stay out of the document.
    """
    if out is not None:
        check_out(out)
    benchmark, report = _benchmarks(module, "report")
    err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        found = benchmark.measure(**places, **options, say=err.print)
    except (RecsysError, RuntimeError, OSError) as error:
        fail(f"bench {name or module}: {error}")
    except KeyboardInterrupt:
        fail("stopped; nothing of it is left", _INTERRUPTED)
    table = Table(show_header=False)
    for first, second in benchmark.rows(found).items():
        table.add_row(first, second)
    Console().print(table)
    if out is not None:
        data = places.get("data")
        parameters = {"data": data.name, **options} if data else options
        write(out, report.told(name or module, parameters, found))


def _benchmarks(*names: str) -> list[ModuleType]:
    """Import what only a checkout has."""
    try:
        return [importlib.import_module(f"benchmarks.{name}") for name in names]
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "benchmarks":
            raise
        fail(
            "the benchmarks are not installed with recsys: run this from a checkout of its sources"
        )


def _data(given: Path | None) -> Path:
    """Return the folder with the ratings, or say that there is none and end with status 2."""
    if given is None:
        base = os.environ.get(_VARIABLE)
        if not base:
            fail(f"--data DIR, or {_VARIABLE}, must name the folder that {_NAME} is in", 2)
        given = Path(base)
    inside = given / _NAME
    found = inside if inside.is_dir() else given
    if not found.exists():
        fail(f"{found}: there is no such file or folder", 2)
    return found


def _numbers(text: str, option: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 100 or any(a >= b for a, b in pairwise(numbers)):
        fail(f"{option}: rising numbers from 100 on with commas between, got {text!r}", 2)
    return numbers
