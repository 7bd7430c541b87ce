"""One refit of one shard: read its log, learn it again, catch up, publish what is better.

Where the log is does not matter here: ``EngineLog`` has the folder for itself,
``actors.refit.task`` asks a running shard.
"""

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Final, Protocol

import msgspec
from typing_extensions import override

from recsys.engine import Engine
from recsys.errors import InvalidEvent
from recsys.events import Adopt, Event
from recsys.refit.lessons import MAX_LESSONS, LogReader
from recsys.refit.search import Plan, Refit, catch_up, refit
from recsys.settings import EngineSettings

__all__ = ["EngineLog", "Log", "Order", "Outcome", "run"]

_ROUNDS: Final = 5
_FEW: Final = 50
"""Choices that may come while the base is on its way; the shard teaches it these by itself."""

Progress = Callable[[int, int], None]


class Order(msgspec.Struct, frozen=True):
    """What is to be done.

    Attributes
    ----------
    most
        Choices that are learned again, the latest ones.
    dry_run
        Whether the shard is to go on as it is, whatever comes out.
    """

    plan: Plan = Plan()
    most: int = MAX_LESSONS
    dry_run: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it, for people and for ``--json``.

    Attributes
    ----------
    choices, used, judged
        Of the whole log; learned again; of these, predicted by both learners.
    live_loss, refit_loss
        Progressive losses on the judged ones, in nats per choice.
    gain, error
        How much smaller the new one is, and the standard error of that.
    version
        The base that the shard goes on from, 0 for none.
    passes, learning_rate
        Of the trial that was best, 0 when nothing was tried.
    """

    shard: int
    events: int
    choices: int
    used: int
    judged: int
    live_loss: float
    refit_loss: float
    gain: float
    error: float | None
    adopted: bool
    reason: str
    version: int
    passes: int
    learning_rate: float
    read_s: float
    refit_s: float


class Log(Protocol):
    """A shard's log, and the way into it."""

    def after(self, sequence: int) -> Iterable[tuple[int, Event]]:
        """Yield the events after a sequence, up to the end of the log as it is now."""
        ...

    def adopt(self, event: Adopt) -> str | None:
        """Append a base and return why the shard does not go on from it, if it does not."""
        ...


class EngineLog(Log):
    """The log of an engine that nobody else uses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @override
    def after(self, sequence: int) -> Iterable[tuple[int, Event]]:
        return self._engine.store.read(after=sequence)

    @override
    def adopt(self, event: Adopt) -> str | None:
        try:
            self._engine.apply([event])
        except InvalidEvent as error:
            return str(error)
        self._engine.snapshot()
        if self._engine.stats().base.digest != event.digest:
            return "it could not be learned; see above"
        return None


def run(
    shard: int,
    log: Log,
    settings: EngineSettings,
    order: Order,
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """Do it all.

    Raises
    ------
    IncompatibleState
        When the log no longer reaches back to its start, or the ranker cannot be refit.
    RecsysError
        When the log cannot be read.
    """
    started_s = perf_counter()
    reader = LogReader(settings, order.most)
    reader.read(log.after(0))
    read_s = perf_counter()
    version = reader.version
    found = refit(reader, order.plan, progress)
    adopted, reason = False, found.verdict.reason
    if found.adopted and order.dry_run:
        reason = f"{reason}; a dry run"
    elif found.adopted:
        found = _caught_up(found, reader, log)
        refusal = log.adopt(found.event())
        adopted = refusal is None
        if refusal is not None:
            reason = f"{reason}; the shard refused it: {refusal}"
    verdict = found.verdict
    return Outcome(
        shard=shard,
        events=reader.sequence,
        choices=found.choices,
        used=found.used,
        judged=verdict.choices,
        live_loss=verdict.baseline,
        refit_loss=verdict.loss,
        gain=verdict.gain,
        error=verdict.error if verdict.enough else None,
        adopted=adopted,
        reason=reason,
        version=found.version if adopted else version,
        passes=found.chosen.passes if found.chosen else 0,
        learning_rate=found.chosen.learning_rate if found.chosen else 0.0,
        read_s=read_s - started_s,
        refit_s=perf_counter() - read_s,
    )


def _caught_up(found: Refit, reader: LogReader, log: Log) -> Refit:
    for _ in range(_ROUNDS):
        before = reader.choices
        reader.read(log.after(reader.sequence))
        found = catch_up(found, reader)
        if reader.choices - before < _FEW:
            break
    return found
