"""What the protocols share: a bar while they run, and a file for the result."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from actors.cli.problems import fail

__all__ = ["check_out", "warn_of_size", "watched", "write"]

_STEP = 250


@contextmanager
def watched(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Yield what a protocol calls with (done, total)."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("ranking and learning", total=None)

        def show(done: int, total: int) -> None:
            if done % _STEP == 0 or done == total:
                progress.update(task, completed=done, total=total)

        yield show


def warn_of_size(data: Path, dataset: str, expected: int | None, found: int, what: str) -> None:
    """Say that a report bears the name of a data set that this is not, or not all of."""
    if expected not in {None, found}:
        message = f"recsys: {dataset} has {expected:,} {what}, {data} has {found:,}"
        Console(stderr=True).print(message, soft_wrap=True, highlight=False, markup=False)


def check_out(out: Path) -> None:
    """End the program if nothing can be written there, before the work is done."""
    if out.is_dir():
        fail(f"--json: {out} is a folder, a file is needed", 2)
    if not out.resolve().parent.is_dir():
        fail(f"--json: the folder {out.resolve().parent} does not exist", 2)


def write(out: Path, document: Mapping[str, object]) -> None:
    """Write a result as JSON."""
    try:
        out.write_text(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        fail(f"--json: {out}: {error.strerror}")
