"""The processes that learn a history, one per shard, and the one that feeds them.

Each shard has at most two batches under way: one that it learns and one that waits, so that nobody
is idle and nothing piles up. The batches of a shard are sent in order and never twice; what became
of them is counted when the shard says so.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Final, Self

from actors.errors import RuntimeFault
from actors.settings import ServerSettings
from actors.training.history import Lessons
from actors.training.teacher import Failed, Finished, Taught, decode_report, work

__all__ = ["Crew", "CrewFault"]

_UNDER_WAY: Final = 2
_LOOK_EVERY_S: Final = 0.5
_END_WITHIN_S: Final = 10.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CrewFault(RuntimeFault):
    """A shard cannot go on; the message says which and why."""


@dataclass
class _Desk:
    """One shard, seen from here.

    Attributes
    ----------
    under_way
        Batches sent and not yet answered.
    closing
        Whether it was asked for its last word.
    """

    index: int
    process: BaseProcess
    pipe: Connection
    batches: Iterator[bytes] = field(default_factory=lambda: iter(()))
    under_way: int = 0
    closing: bool = False
    finished: Finished | None = None


class Crew:
    """One process per shard; use it in a ``with`` statement, at whose end none is left.

    The data directory must be the caller's (``actors.layout.DataFolder``).
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._desks: list[_Desk] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _start(self) -> None:
        # A new interpreter each, because a fork of one that has read Parquet has broken threads.
        context = get_context("spawn")
        # It would lift the mask.
        resource_tracker.ensure_running()
        # A mask is inherited: what ends us is for us alone to hear, who then tell them.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for index in range(self._settings.shards.count):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=work,
                    args=(index, self._settings, theirs),
                    name=f"shard-{index}",
                    daemon=True,
                )
                process.start()
                # Only then does its end show here.
                theirs.close()
                self._desks.append(_Desk(index, process, ours))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for desk in self._desks:
            desk.pipe.close()
        for desk in self._desks:
            # Without a pipe it ends by itself, and well, unless somebody cannot wait for that.
            desk.process.join(0.0 if kind is KeyboardInterrupt else _END_WITHIN_S)
            desk.process.kill()
            desk.process.join()

    def assign(self, lessons: Sequence[Lessons]) -> None:
        """Give each shard its part."""
        for desk, part in zip(self._desks, lessons, strict=True):
            desk.batches = part.batches()

    @property
    def busy(self) -> bool:
        """Whether some shard has not said its last word."""
        return any(desk.finished is None for desk in self._desks)

    def step(self, count: Callable[[Taught], None]) -> None:
        """Feed who is hungry and hear who has something to say; returns within half a second.

        Raises
        ------
        CrewFault
            When a shard cannot go on.
        """
        for desk in self._desks:
            self._feed(desk)
        waiting = {desk.pipe: desk for desk in self._desks if desk.finished is None}
        for pipe in wait(list(waiting), _LOOK_EVERY_S):
            if isinstance(pipe, Connection):
                self._hear(waiting[pipe], count)

    def stop(self) -> None:
        """Send nothing more; each shard takes its snapshot after what it was sent."""
        for desk in self._desks:
            desk.batches = iter(())

    def finished(self) -> list[Finished]:
        """Return the last words, by shard."""
        return [desk.finished for desk in self._desks if desk.finished is not None]

    def _feed(self, desk: _Desk) -> None:
        # A shard that is gone says so by its end of the pipe, where it is heard.
        with suppress(BrokenPipeError, ConnectionResetError):
            while desk.under_way < _UNDER_WAY and not desk.closing:
                batch = next(desk.batches, b"")
                desk.closing = not batch
                desk.under_way += bool(batch)
                desk.pipe.send_bytes(batch)

    def _hear(self, desk: _Desk, count: Callable[[Taught], None]) -> None:
        try:
            report = decode_report(desk.pipe.recv_bytes())
        except (EOFError, OSError):
            desk.process.join(_END_WITHIN_S)
            message = (
                f"the process of shard {desk.index} has ended (exit code {desk.process.exitcode})"
            )
            raise CrewFault(message) from None
        match report:
            case Taught():
                desk.under_way -= 1
                count(report)
            case Finished():
                desk.finished = report
            case Failed():
                message = f"shard {desk.index}: {report.reason}"
                raise CrewFault(message)
