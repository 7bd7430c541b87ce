"""A recorded data set replayed into a fresh server, and a second time: nothing may count twice.

Runs ``clickstream replay`` as its users do. The first run must have every row accepted, none as a
duplicate and none failed; in the second one every row is a duplicate, and what the server has
learned stays as it was. With ``--url``, that server must not know the data yet.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from benchmarks.report import JsonOption, UrlOption, check_writable, run, show, write
from benchmarks.server import server_at
from recsys.client import Client
from recsys.datasets import read_interactions
from recsys.errors import InvalidDataset
from simulators.replay import ReplayResult

__all__ = ["Twice", "faults", "main"]

_CLICKSTREAM: Final = (sys.executable, "-c", "from simulators.cli import main; main()", "replay")
_DATA: Final = Path(os.environ.get("RECSYS_DATA", "")) / "ml-100k"
_ENOUGH_S: Final = 1800.0


class Twice(msgspec.Struct, frozen=True):
    """Two replays of the same rows.

    Attributes
    ----------
    learned_first, learned_second
        Feedback by type that ``/v1/stats`` counts after each.
    """

    rows: int
    first: ReplayResult
    second: ReplayResult
    learned_first: dict[str, int]
    learned_second: dict[str, int]


def faults(twice: Twice) -> list[str]:
    """Return what is not as it should be, in words."""
    first, second = twice.first, twice.second
    wanted = {
        "first run, accepted": (first.accepted, twice.rows),
        "first run, duplicates": (first.duplicates, 0),
        "first run, failed": (first.conflicts + first.unavailable, 0),
        "first run, learned": (first.learned, twice.rows),
        "second run, accepted": (second.accepted, 0),
        "second run, duplicates": (second.duplicates, twice.rows),
        "second run, failed": (second.conflicts + second.unavailable, 0),
    }
    found = [
        f"{name}: {got} of {should}" for name, (got, should) in wanted.items() if got != should
    ]
    if twice.learned_first != twice.learned_second:
        found.append(f"learned {twice.learned_first}, then {twice.learned_second}")
    return found


def _replay(url: str, data: Path, folder: Path) -> ReplayResult:
    report = folder / "replay.json"
    command = [*_CLICKSTREAM, str(data), "--url", url, "--json", str(report), "--quiet"]
    subprocess.run(command, check=True, timeout=_ENOUGH_S)
    return msgspec.json.decode(report.read_bytes(), type=ReplayResult)


def _learned(url: str) -> dict[str, int]:
    with Client(url) as client:
        total = Counter[str]()
        for shard in client.stats().shards:
            total.update(shard.engine.feedback)
    return dict(sorted(total.items()))


def _rows(twice: Twice) -> dict[str, str]:
    first, second = twice.first, twice.second
    return {
        "first run": f"{first.sent / first.elapsed_s:,.0f} events/s ({first.elapsed_s:.1f} s)",
        "accepted, duplicates, failed": (
            f"{first.accepted:,}, {first.duplicates:,}, {first.conflicts + first.unavailable:,}"
        ),
        "acknowledgement of a batch": f"p50 {first.ack_p50_ms:.0f}, p99 {first.ack_p99_ms:.0f} ms",
        "second run": f"{second.sent / second.elapsed_s:,.0f} events/s ({second.elapsed_s:.1f} s)",
        "accepted, duplicates, failed again": (
            f"{second.accepted:,}, {second.duplicates:,}, {second.conflicts + second.unavailable:,}"
        ),
        "learned after the first run": str(twice.learned_first),
        "learned after the second run": str(twice.learned_second),
    }


def main(
    *,
    data: Annotated[
        Path, typer.Option(help="A MovieLens folder, or a CSV; by default RECSYS_DATA/ml-100k.")
    ] = _DATA,
    url: UrlOption = None,
    json_file: JsonOption = None,
) -> None:
    """Replay a data set twice."""
    check_writable(json_file)
    try:
        rows = len(read_interactions(data))
    except (InvalidDataset, OSError) as error:
        raise typer.BadParameter(f"--data: {error}") from None
    with tempfile.TemporaryDirectory() as folder, server_at(url, {}) as address:
        first = _replay(address, data, Path(folder))
        learned_first = _learned(address)
        second = _replay(address, data, Path(folder))
        twice = Twice(rows, first, second, learned_first, _learned(address))
    show(f"{data.name}: {rows:,} rows, twice", _rows(twice))
    found = faults(twice)
    write(json_file, "replay", {"data": data.name}, {"runs": twice, "faults": found})
    for fault in found:
        typer.echo(fault, err=True)
    if found:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
