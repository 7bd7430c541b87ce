"""Keeps the terminal for what the user should read."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

__all__ = ["Terminal", "quiet"]


class Terminal(NamedTuple):
    """The two ways to the user."""

    out: Console
    err: Console


@contextmanager
def quiet(log: Path) -> Iterator[Terminal]:
    """Send standard output and error to a file and yield the real ones.

    Works on the file descriptors, because Ray prints from C++ and from threads, too.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with ExitStack() as stack:
        consoles = []
        for number in (1, 2):
            saved = os.dup(number)
            stack.callback(_put_back, saved, number)
            real = stack.enter_context(os.fdopen(os.dup(number), "w", encoding="utf-8"))
            consoles.append(Console(file=real, markup=False, highlight=False, soft_wrap=True))
        with log.open("ab") as file:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
        yield Terminal(*consoles)
        sys.stdout.flush()
        sys.stderr.flush()


def _put_back(saved: int, number: int) -> None:
    os.dup2(saved, number)
    os.close(saved)
