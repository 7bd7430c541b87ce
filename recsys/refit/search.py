"""Looks for a better base: trials on an early part, the judgement on a later one nobody has seen.

Choices stand in time order::

    |<------- teach: 60 % ------->|<- choose: 20 % ->|<- judge: 20 % ->|

Each trial makes its passes over the first part; after each of them its progressive loss (predict,
then learn) on the second one is measured. The best is taught anew with both, and its progressive
loss on the last part is held against that of the live learner on the very same choices. The learner
that is published is the one that was judged, after the last choice.

Where a base was adopted within the last fifth, the judgement begins there: what was predicted
before says nothing of the learner that is live now.
"""

import logging
import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Final

import msgspec

from recsys.errors import NonFinite
from recsys.events import Adopt, digest_of
from recsys.features.base import Choice
from recsys.refit.judge import LEAST_CHOICES, Verdict, judge, undecided
from recsys.refit.lessons import LogReader
from recsys.refit.trainer import Trainer, Trial
from recsys.settings import ListwiseSettings

__all__ = ["Plan", "Refit", "Tried", "catch_up", "refit", "steps"]

_log = logging.getLogger(__name__)

_JUDGE_FROM: Final = 0.8
_USUAL: Final = ListwiseSettings().learning_rate
_TEACH: Final = 0.75
"""Of what lies before the part for judging."""

Progress = Callable[[int, int], None]


class Plan(msgspec.Struct, frozen=True):
    """What is tried.

    Attributes
    ----------
    rates
        Learning rates of the first pass, as multiples of the live one.
    absolute
        Further ones as they are: the live one may be far from good.
    decays
        See ``recsys.refit.trainer.Trial``.
    passes
        At most; fewer are measured on the way.
    """

    passes: int = 3
    rates: tuple[float, ...] = (1.0, 4.0)
    absolute: tuple[float, ...] = (_USUAL,)
    decays: tuple[float, ...] = (0.5,)
    replays: tuple[int, ...] = (1,)

    def trials(self, learning_rate: float) -> list[Trial]:
        """Return all of them, with the most passes each."""
        relative = [rate * learning_rate for rate in self.rates]
        rates = dict.fromkeys([*relative, *self.absolute])
        return [
            Trial(rate, decay, replays, self.passes)
            for rate, decay, replays in product(rates, self.decays, self.replays)
        ]


class Tried(msgspec.Struct, frozen=True):
    """A trial and its progressive loss on the part for choosing, in nats per choice."""

    trial: Trial
    loss: float


class Refit(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes
    ----------
    record
        The new learner, empty when there were too few choices.
    version
        Which base it would be.
    choices
        How many the log holds; ``used`` of them were used.
    """

    record: bytes
    version: int
    choices: int
    used: int
    clock_ms: int
    verdict: Verdict
    chosen: Trial | None = None
    tried: tuple[Tried, ...] = ()

    @property
    def adopted(self) -> bool:
        """Whether it is to be adopted."""
        return bool(self.record) and self.verdict.better

    def event(self) -> Adopt:
        """Return the event that publishes it; the same one whenever it is asked for."""
        digest = digest_of(self.record)
        return Adopt(
            event_id=f"adopt-{self.version}-{digest}",
            ts_ms=self.clock_ms,
            version=self.version,
            choices=self.choices,
            record=self.record,
            digest=digest,
            loss=self.verdict.loss,
            baseline=self.verdict.baseline,
        )


def steps(n: int, start: int, trials: Sequence[Trial]) -> int:
    """Return how many choices are taught or predicted in all, at most.

    Parameters
    ----------
    n, start
        How many choices there are, and how many of them before the part for judging.
    """
    passes = [trial.passes for trial in trials]
    return (sum(passes) + max(passes)) * start + n - start


def refit(
    reader: LogReader, plan: Plan | None = None, progress: Progress = lambda done, total: None
) -> Refit:
    """Re-learn what a log taught.

    Parameters
    ----------
    reader
        After the last event.
    progress
        Called with (done, total), in choices taught.
    """
    plan = plan or Plan()
    lessons = list(reader.lessons)
    n = len(lessons)
    start = max(int(n * _JUDGE_FROM), n - reader.since_adoption)
    teach = int(start * _TEACH)
    choices = [lesson.choice for lesson in lessons]
    baselines = [lesson.loss for lesson in lessons[start:]]
    if len(baselines) < LEAST_CHOICES:
        verdict = undecided(len(baselines))
        return Refit(b"", reader.version + 1, reader.choices, n, reader.clock_ms, verdict)
    trials = plan.trials(reader.settings.learners.listwise.learning_rate)
    done, total = 0, steps(n, start, trials)

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    trainer = Trainer(reader.settings, reader.columns, step)
    tried = list[Tried]()
    for trial in trials:
        tried += _try(trainer, trial, choices[:teach], choices[teach:start])
    chosen = min(tried, key=lambda one: one.loss).trial
    record = trainer.fresh()
    for number in range(chosen.passes):
        record = trainer.teach(record, choices[:start], chosen, number)
    losses, record = trainer.go_on(record, choices[:start], choices[start:])
    return Refit(
        record=record,
        version=reader.version + 1,
        choices=reader.choices,
        used=n,
        clock_ms=reader.clock_ms,
        verdict=judge(losses, baselines),
        chosen=chosen,
        tried=tuple(tried),
    )


def _try(
    trainer: Trainer, trial: Trial, past: Sequence[Choice], unseen: Sequence[Choice]
) -> list[Tried]:
    """Measure a trial after each of its passes."""
    record = trainer.fresh()
    measured = list[Tried]()
    for number in range(trial.passes):
        shorter = msgspec.structs.replace(trial, passes=number + 1)
        try:
            record = trainer.teach(record, past, trial, number)
            losses, _ = trainer.go_on(record, past, unseen)
        except NonFinite as error:
            # Learned too fast: any other trial is better.
            _log.warning("a trial with %s came to nothing: %s", shorter, error)
            measured.append(Tried(shorter, math.inf))
            break
        measured.append(Tried(shorter, sum(losses) / len(losses)))
    return measured


def catch_up(found: Refit, reader: LogReader) -> Refit:
    """Teach a new learner what the log has gained since, as live learning would have.

    The verdict stays: it was given on what was there.
    """
    new = min(reader.choices - found.choices, len(reader.lessons))
    if not found.record or new <= 0:
        return found
    choices = [lesson.choice for lesson in reader.lessons]
    trainer = Trainer(reader.settings, reader.columns)
    _, record = trainer.go_on(found.record, choices[:-new], choices[-new:])
    return msgspec.structs.replace(
        found, record=record, choices=reader.choices, clock_ms=reader.clock_ms
    )
