"""Keeps the terminal for what the user should read."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from rich.console import Console
from typing_extensions import override

__all__ = ["Terminal", "quiet", "say"]


class _Lasting(Console):
    """Goes on without a reader; others leave the program."""

    @override
    def on_broken_pipe(self) -> None:
        self.quiet = True


class Terminal(NamedTuple):
    """The two ways to the user."""

    out: Console
    err: Console


def say(console: Console, text: str) -> None:
    """Print, or not when the terminal was closed: that must keep nobody from ending well."""
    with suppress(OSError):
        console.print(text)


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
            real = os.fdopen(os.dup(number), "w", encoding="utf-8")
            stack.callback(_close, real)
            consoles.append(_Lasting(file=real, markup=False, highlight=False, soft_wrap=True))
        with log.open("ab") as file:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
        yield Terminal(*consoles)
        sys.stdout.flush()
        sys.stderr.flush()


def _put_back(saved: int, number: int) -> None:
    os.dup2(saved, number)
    os.close(saved)


def _close(file: TextIO) -> None:
    with suppress(OSError):
        file.close()
