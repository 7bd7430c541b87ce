"""The contracts of learners: the shared one that ranks, and the personal ones beside it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from recsys.errors import IncompatibleState
from recsys.features.base import Candidates, Choice, Example
from recsys.users import User

__all__ = ["ExampleLearner", "Learner", "PersonalModel"]


class Learner(ABC):
    """Ranks candidates for anybody, and learns one example or one choice at a time.

    A learner that ranks by reward learns from examples, one that ranks by preference from choices;
    each is told of both. Called from one thread. ``score`` changes nothing that ``learn``,
    ``choose`` or ``snapshot`` can see.
    """

    from_examples: ClassVar[bool]
    """Whether old examples shall be taught again, beside new ones."""
    from_choices: ClassVar[bool]
    """Whether it learns from choices; when not, they need not be made."""
    merged: ClassVar[bool] = False
    """Whether ``shift`` takes a whole model in the place of its own, and not a difference."""

    @abstractmethod
    def score(self, candidates: Candidates) -> NDArray[np.float64]:
        """Return expected reward up to a constant of the request, shape ``(n_candidates,)``."""

    @abstractmethod
    def learn(self, example: Example) -> None:
        """Take in one example; its numbers are finite and its propensity lies in (0, 1]."""

    @abstractmethod
    def choose(self, choice: Choice, old: Sequence[Choice], *, haste: float = 1.0) -> float | None:
        """Take in that one of several was chosen, and old choices beside it.

        Parameters
        ----------
        haste
            By what the learning rate is multiplied.

        Returns
        -------
        The loss of the new choice before it was learned, in nats; ``None`` when nothing was
        learned.
        """

    @abstractmethod
    def settle(self, earned: float, promised: float, looks: float) -> None:
        """Take in what a whole list earned.

        Parameters
        ----------
        promised
            What its slots were expected to earn together, each as often as it is looked at.
        looks
            How often its slots are looked at, together; above 0.
        """

    @abstractmethod
    def loss(self, choice: Choice) -> float | None:
        """Return the loss of a choice in nats, learning nothing; ``None`` as in ``choose``."""

    def is_finite(self) -> bool:
        """Return whether what it has learned is finite, as far as its snapshot does not say."""
        return True

    @abstractmethod
    def snapshot(self) -> bytes:
        """Return the whole state as a record of ``recsys.codec``; it is safe to go on learning."""

    @abstractmethod
    def restore(self, record: bytes) -> None:
        """Replace the state by one that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        IncompatibleState
            When it was learned under other settings.
        """

    def adopt(self, record: bytes) -> None:
        """Go on from a ``snapshot`` that another learned from the same choices.

        What was learned from examples stays. When it raises, nothing has changed.

        Raises
        ------
        CorruptRecord
            When the record is damaged or holds numbers that are not finite.
        IncompatibleState
            When it does not fit, or when this kind of learner is never refit.
        """
        message = f"{type(self).__name__} cannot be refit, it got {len(record)} bytes"
        raise IncompatibleState(message)

    def report(self) -> bytes | None:
        """Return what others may average theirs with, ``None`` for a kind that is not averaged."""
        return None

    def shift(self, record: bytes) -> None:
        """Take in by how much an average of reports differs from the own one.

        When it raises, nothing has changed.

        Raises
        ------
        CorruptRecord
            When the record is damaged or holds numbers that are not finite.
        IncompatibleState
            When it does not fit, or when this kind of learner is never averaged.
        """
        message = f"{type(self).__name__} is not averaged, it got {len(record)} bytes"
        raise IncompatibleState(message)

    @abstractmethod
    def fingerprint(self) -> bytes:
        """Return a digest of all that decides future scores and learning.

        Two learners that have learned the same examples have the same fingerprint, whatever was
        asked of them in between.
        """


class ExampleLearner(Learner):
    """A learner of examples: slots and what they earned say it all, so choices teach it nothing."""

    from_examples: ClassVar[bool] = True
    from_choices: ClassVar[bool] = False

    @override
    def choose(self, choice: Choice, old: Sequence[Choice], *, haste: float = 1.0) -> None:
        """Nothing to learn."""

    @override
    def settle(self, earned: float, promised: float, looks: float) -> None:
        """Nothing to learn, either."""

    @override
    def loss(self, choice: Choice) -> None:
        """Nothing to lose."""


class PersonalModel(ABC):
    """One small model per user; its answers are numeric features of the candidates.

    State lives in the ``User``, or is keyed by user id and written into the ``User`` by ``store``.
    ``features`` changes nothing.
    """

    columns: ClassVar[tuple[str, ...]]
    """Names of the features it answers."""
    silent: bool = False
    """Whether all of them are 0, whoever asks."""

    @abstractmethod
    def features(self, user: User, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return finite features of the items, shape ``(n_candidates, len(columns))``.

        Items may be -1 (not in the catalogue).
        """

    @abstractmethod
    def learn(self, user: User, item: int, reward: float, *, shown: bool) -> None:
        """Take in that ``item`` earned ``reward`` from ``user``.

        Parameters
        ----------
        shown
            Whether a decision showed the item. What people find by themselves comes with hardly
            any failures, so that it says nothing about how often a shown item earns something.
        """

    def learn_list(
        self, user: User, items: Sequence[int], rewards: Sequence[float], *, shown: bool
    ) -> None:
        """Do ``learn`` for several items, in their order."""
        for item, reward in zip(items, rewards, strict=True):
            self.learn(user, item, reward, shown=shown)

    @abstractmethod
    def store(self, user: User) -> None:
        """Write this user's model into ``user``, before the user is snapshotted."""

    @abstractmethod
    def forget(self, user: User) -> None:
        """Drop what is cached for a user that leaves memory; ``store`` was called before."""

    @abstractmethod
    def snapshot(self) -> bytes:
        """Return what all users share as a record of ``recsys.codec``."""

    @abstractmethod
    def restore(self, record: bytes) -> None:
        """Replace what all users share by what ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        IncompatibleState
            When the users' models cannot be read any more.
        """
