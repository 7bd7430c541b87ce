"""Passes over choices: the same steps as live learning, as often and as large as a trial says."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from recsys.features.base import Choice
from recsys.learners.listwise import ListwiseRanker
from recsys.settings import EngineSettings, ListwiseSettings

__all__ = ["Trainer", "Trial"]

Step = Callable[[], None]


class Trial(msgspec.Struct, frozen=True):
    """Settings of some passes.

    Attributes
    ----------
    learning_rate
        In the first pass; each further one has ``decay`` times that of the pass before.
    replays
        Old choices beside each choice, drawn from all that the pass may see.
    """

    learning_rate: float
    decay: float
    replays: int
    passes: int


class Trainer:
    """Makes learners for one engine's features.

    Parameters
    ----------
    columns
        Names of the features of a candidate, and of a request.
    step
        Called after each choice.
    """

    def __init__(
        self,
        settings: EngineSettings,
        columns: tuple[Sequence[str], Sequence[str]],
        step: Step = lambda: None,
    ) -> None:
        self._settings = settings
        self._columns = columns
        self._step = step

    def fresh(self) -> bytes:
        """Return the record of a learner that has learned nothing."""
        return self._learner(self._settings.learners.listwise).snapshot()

    def teach(self, record: bytes, choices: Sequence[Choice], trial: Trial, number: int) -> bytes:
        """Make pass ``number``, from 0, over choices, and return the record after it."""
        rate = trial.learning_rate * trial.decay**number
        settings = self._settings.learners.listwise.model_copy(update={"learning_rate": rate})
        learner = self._learner(settings, record)
        rng = np.random.default_rng([self._settings.seed, number])
        for choice in choices:
            lots = rng.integers(len(choices), size=trial.replays)
            learner.choose(choice, [choices[lot] for lot in lots])
            self._step()
        return learner.snapshot()

    def go_on(
        self, record: bytes, past: Sequence[Choice], choices: Sequence[Choice]
    ) -> tuple[list[float], bytes]:
        """Predict each choice, then learn it under the live settings, as after an adoption.

        Parameters
        ----------
        past
            Where the first replays come from; later ones come from ``choices``, too.

        Returns
        -------
        The loss of each choice in nats, and the record after the last.
        """
        learner = self._learner(self._settings.learners.listwise, record)
        rng = np.random.default_rng([self._settings.seed, len(past)])
        known = list(past)
        losses = list[float]()
        for choice in choices:
            n = self._settings.memory.replays if known else 0
            lots = rng.integers(max(len(known), 1), size=n)
            loss = learner.choose(choice, [known[lot] for lot in lots])
            if loss is None:
                message = "a choice that the live learner took is none for its successor"
                raise AssertionError(message)
            losses.append(loss)
            known.append(choice)
            self._step()
        return losses, learner.snapshot()

    def _learner(self, settings: ListwiseSettings, record: bytes | None = None) -> ListwiseRanker:
        learner = ListwiseRanker(settings, *self._columns, self._settings.seed)
        if record is not None:
            learner.restore(record)
        return learner
