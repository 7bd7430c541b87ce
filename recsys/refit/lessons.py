"""What a log teaches the shared ranker: its choices, in order, with the loss of each when it came.

The log is folded again, from its start, into a state that nobody is served from. Choices from lists
come with the features as served, which the log holds; what people found by themselves is put
together anew from the state just before it, as the live fold did.
"""

import logging
import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.errors import IncompatibleState
from recsys.events import Adopt, Event
from recsys.features.base import Candidates, Choice, Example
from recsys.fold import fold
from recsys.keyfile import KEY_BYTES
from recsys.learners.base import Learner
from recsys.learners.listwise import ListwiseRanker
from recsys.settings import EngineSettings
from recsys.state import State

__all__ = ["MAX_LESSONS", "Lesson", "LogReader"]

_log = logging.getLogger(__name__)

MAX_LESSONS: Final = 100_000
"""Choices kept where nobody says otherwise; those before are learned by the live learner only. With
50 candidates of 70 features each is 7 KB."""
_SPILL_EVENTS: Final = 5_000


class Lesson(msgspec.Struct, frozen=True):
    """One choice, and the loss in nats of the live learner just before it learned it."""

    choice: Choice
    loss: float


class _Recorder(Learner):
    """The live learner, and beside it who writes down what it is taught."""

    from_examples = ListwiseRanker.from_examples
    from_choices = ListwiseRanker.from_choices

    def __init__(self, learner: Learner, lessons: deque[Lesson]) -> None:
        self._learner = learner
        self._lessons = lessons
        self.adopting = False

    @override
    def score(self, candidates: Candidates) -> NDArray[np.float64]:
        return self._learner.score(candidates)

    @override
    def learn(self, example: Example) -> None:
        self._learner.learn(example)

    @override
    def choose(self, choice: Choice, old: Sequence[Choice], *, haste: float = 1.0) -> float | None:
        loss = self._learner.choose(choice, old, haste=haste)
        # After an adoption choices are taught again, which are no new ones.
        if loss is not None and not self.adopting:
            self._lessons.append(Lesson(choice, loss))
        return loss

    @override
    def settle(self, earned: float, promised: float, looks: float) -> None:
        self._learner.settle(earned, promised, looks)

    @override
    def loss(self, choice: Choice) -> float | None:
        return self._learner.loss(choice)

    @override
    def snapshot(self) -> bytes:
        return self._learner.snapshot()

    @override
    def restore(self, record: bytes) -> None:
        self._learner.restore(record)

    @override
    def adopt(self, record: bytes) -> None:
        self._learner.adopt(record)

    @override
    def fingerprint(self) -> bytes:
        return self._learner.fingerprint()


class LogReader:
    """Folds a log and keeps its choices.

    Parameters
    ----------
    settings
        Those of the engine that wrote the log.
    most
        Choices kept at most; the latest stay.

    Attributes
    ----------
    lessons
        Oldest first.
    dropped
        How many were there before them.

    Raises
    ------
    IncompatibleState
        When the ranker of these settings does not learn from choices.
    """

    def __init__(self, settings: EngineSettings, most: int = MAX_LESSONS) -> None:
        if settings.learners.ranker != "listwise":
            message = (
                f"learners.ranker is {settings.learners.ranker!r}: only the listwise ranker can be "
                "learned from the log in several passes"
            )
            raise IncompatibleState(message)
        self.lessons = deque[Lesson](maxlen=most)
        self._users = dict[str, bytes]()
        self._state = State(settings, self._users.get, secrets.token_bytes(KEY_BYTES))
        # Without what the features lack.
        self.settings = self._state.settings
        self._recorder = _Recorder(self._state.learner, self.lessons)
        self._state.learner = self._recorder
        self._since_spill = 0
        self._adopted_after = 0

    @property
    def sequence(self) -> int:
        """Sequence of the last event that was read."""
        return self._state.counters.sequence

    @property
    def clock_ms(self) -> int:
        """The latest time of the log."""
        return self._state.counters.clock_ms

    @property
    def choices(self) -> int:
        """How many choices the log holds so far."""
        return self._state.counters.choices

    @property
    def dropped(self) -> int:
        """How many of them are not in ``lessons``."""
        return self.choices - len(self.lessons)

    @property
    def version(self) -> int:
        """The base that the live learner goes on from."""
        return self._state.counters.base.version

    @property
    def since_adoption(self) -> int:
        """How many choices the live learner has predicted since it goes on from that base."""
        return self.choices - self._adopted_after

    @property
    def columns(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the features of a candidate, and of a request."""
        features = self._state.features
        return tuple(features.columns), tuple(features.shared_columns)

    def live(self) -> bytes:
        """Return the record of the live learner after all that was read."""
        return self._recorder.snapshot()

    def read(self, events: Iterable[tuple[int, Event]]) -> None:
        """Fold the next events of the log.

        Raises
        ------
        IncompatibleState
            When the log does not begin at its start, or has a gap: what was learned before could
            not be made again.
        """
        for sequence, event in events:
            if sequence != self.sequence + 1:
                message = (
                    f"event {self.sequence + 1} is no longer in the log, which goes on at "
                    f"{sequence}: a refit needs the whole log (engine.store.log_events)"
                )
                raise IncompatibleState(message)
            self._fold(sequence, event)

    def _fold(self, sequence: int, event: Event) -> None:
        self._recorder.adopting = isinstance(event, Adopt)
        version = self.version
        try:
            fold(self._state, sequence, event)
        except Exception:
            # As in the live engine, which counted it and went on.
            self._state.counters.failed += 1
            _log.warning("event %d failed, as it did when it came", sequence, exc_info=True)
        if self.version != version:
            self._adopted_after = self.choices
        self._since_spill += 1
        if self._since_spill >= _SPILL_EVENTS:
            self._spill()

    def _spill(self) -> None:
        """Let idle people go, as a snapshot does in an engine."""
        self._since_spill = 0
        state = self._state
        for user in state.users.dirty():
            self._users[user.user_id] = state.seal_user(user)
        state.users.clean()
        for user in state.users.spill(()):
            for model in state.personal:
                model.forget(user)
