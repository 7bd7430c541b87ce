"""The processes that learn a history, one per shard, and the one that feeds them.

Each shard has at most two batches under way: one that it learns and one that waits, so that nobody
is idle and nothing piles up. The batches of a shard are sent in order and never twice; what became
of them is counted when the shard says so. What the people of one shard have done is passed on to
all others between their batches, and no shard is done before all are.
"""

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Final, Self

import msgspec

from actors.errors import RuntimeFault
from actors.settings import ServerSettings, mixes
from actors.training.history import Heard, Lessons, Tell
from actors.training.teacher import Failed, Finished, Ready, Taught, decode_report, work
from recsys.mixing.cut import Contribution
from recsys.mixing.port import Position

__all__ = ["Crew", "CrewFault"]

_UNDER_WAY: Final = 2
_LOOK_EVERY_S: Final = 0.5
_END_WITHIN_S: Final = 10.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_encoder = msgspec.msgpack.Encoder()


class CrewFault(RuntimeFault):
    """A shard cannot go on; the message says which and why."""


@dataclass
class _Desk:
    """One shard, seen from here.

    Attributes
    ----------
    position
        How far it was at first with what others have seen; ``None`` until it says so.
    heard
        What others have seen and it was not sent yet.
    under_way
        Batches sent and not yet answered.
    exhausted
        Whether it has no batch left.
    closing
        Whether it was asked for its last word.
    """

    index: int
    process: BaseProcess
    pipe: Connection
    batches: Iterator[bytes] = field(default_factory=lambda: iter(()))
    position: Position | None = None
    heard: deque[bytes] = field(default_factory=deque)
    under_way: int = 0
    exhausted: bool = False
    closing: bool = False
    finished: Finished | None = None


class Crew:
    """One process per shard; use it in a ``with`` statement, at whose end none is left.

    The data directory must be the caller's (``actors.layout.DataFolder``).
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._mixes = mixes(settings)
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
            desk.exhausted = False

    def finished(self) -> list[Finished]:
        """Return the last words, by shard."""
        return [desk.finished for desk in self._desks if desk.finished is not None]

    def _feed(self, desk: _Desk) -> None:
        # A shard that is gone says so by its end of the pipe, where it is heard.
        if self._mixes and not all(one.position for one in self._desks):
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            while desk.under_way < _UNDER_WAY and not desk.closing:
                work = desk.heard.popleft() if desk.heard else next(desk.batches, b"")
                if not work:
                    desk.exhausted = True
                    if not self._done():
                        return
                    desk.closing = True
                desk.under_way += bool(work)
                desk.pipe.send_bytes(work)

    def _done(self) -> bool:
        """Return whether nobody will have anything more to tell."""
        return all(desk.exhausted and not desk.under_way for desk in self._desks)

    def _let_tell(self) -> None:
        """Have each shard tell what others lack, once it is known what they have."""
        positions = [desk.position for desk in self._desks if desk.position is not None]
        if len(positions) < len(self._desks):
            return
        for desk, mine in zip(self._desks, positions, strict=True):
            known = sorted({one.vector.get(mine.shard, 0) for one in positions if one is not mine})
            desk.heard.append(_encoder.encode(Tell(known[0], tuple(known[1:]))))

    def _pass_on(self, teller: _Desk, pieces: Sequence[Contribution]) -> None:
        if pieces:
            heard = _encoder.encode(Heard(tuple(pieces)))
            for desk in self._desks:
                if desk is not teller:
                    desk.heard.append(heard)

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
            case Ready():
                desk.position = report.position
                self._let_tell()
            case Taught():
                desk.under_way -= 1
                self._pass_on(desk, report.pieces)
                count(report)
            case Finished():
                desk.finished = report
            case Failed():
                message = f"shard {desk.index}: {report.reason}"
                raise CrewFault(message)
