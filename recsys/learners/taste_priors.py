"""What the personal bandit knows before it knows a person: base, noise, and how much people differ.

Empirical Bayes: what everybody's posteriors add up to is the prior of the next person. A taste of
which the share ``g`` of the prior's variance is gone has a mean whose square is, on average,
``g * prior``; so for each attribute::

    prior = sum of squared means / sum of shares gone     a summand per lesson and token

People differ in their genres and hardly in the language, and one click says so: it is credited to
the genre. The noise is the mean square of what a reward surprised by, less what tastes explain. It
is multiplied by ``caution``, because the filter learns attributes as if each stood alone, and the
slots of a list as if nothing but tastes joined them, and so believes too much too soon.

Only what was shown counts: what people find by themselves comes with hardly any failures.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Renewal, grown
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.mixing.lessons import TasteSums
from recsys.settings import PersonalBanditSettings
from recsys.tastes import Tastes

__all__ = ["TastePriors"]

_FIRST_KNOWN = 50.0
"""Evidence, in tastes that are fully known, that the setting of the prior stands for."""
_FIRST_SLOTS = 100.0
"""Shown slots that the settings of base and noise stand for."""
_FIRST_BASE = 0.05
_LEAST = 1e-3
"""Neither base, prior nor noise becomes a smaller share of what it starts at."""


class _Field(msgspec.Struct, array_like=True):
    """What everybody's tastes for the values of one attribute add up to.

    Attributes
    ----------
    squares
        Of the means.
    known
        Shares of the prior's variance that were gone.
    """

    squares: float = 0.0
    known: float = 0.0


class _State(msgspec.Struct):
    rewards: float = 0.0
    count: int = 0
    noise: float = 0.0
    fields: dict[str, _Field] = {}


class TastePriors:
    """Sums over everybody; there is a field for each name of an attribute."""

    def __init__(self, settings: PersonalBanditSettings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._shared = _State()
        # Where each token's attribute stands in the table of priors; follows from the catalogue.
        self._places = dict[str, int]()
        self._place_of = np.zeros(64, np.int32)
        self._n_tokens = 0
        self._priors = np.zeros(0)
        self._current = False
        self._names = list[str]()
        # By name, as long as nothing is learned about it.
        self._of = dict[str, float]()

    @property
    def base(self) -> float:
        """Mean reward of a shown slot, drawn towards 5 % by a hundred slots; above 0.

        Dislikes may outweigh all else, but lifts are shares of it.
        """
        first = _FIRST_BASE * _FIRST_SLOTS
        learned = (self._shared.rewards + first) / (self._shared.count + _FIRST_SLOTS)
        return max(learned, _LEAST * _FIRST_BASE)

    @property
    def noise(self) -> float:
        """How far a reward lies from what was expected of it, as a variance."""
        settings, shared = self._settings, self._shared
        if not settings.adapt:
            return settings.noise_variance
        first = settings.noise_variance * _FIRST_SLOTS
        learned = (settings.caution * shared.noise + first) / (shared.count + _FIRST_SLOTS)
        return max(learned, _LEAST * settings.noise_variance)

    def prior(self, name: str) -> float:
        """Return how much people differ in their taste for an attribute's values, as a variance."""
        settings = self._settings
        field = self._shared.fields.get(name)
        if field is None or not settings.adapt:
            return settings.prior_variance
        first = settings.prior_variance * _FIRST_KNOWN
        learned = (field.squares + first) / (field.known + _FIRST_KNOWN)
        return max(learned, _LEAST * settings.prior_variance)

    def of(self, token: int) -> float:
        """Return the prior variance of the taste for what a token says."""
        name = self._name(token)
        prior = self._of.get(name)
        if prior is None:
            prior = self._of[name] = self.prior(name)
        return prior

    def _name(self, token: int) -> str:
        names = self._names
        while token >= len(names):
            names.append(self._catalogue.token(len(names)).partition("=")[0])
        return names[token]

    def by_place(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the place of each token's attribute, ``(n_tokens or more,)``, and the priors.

        The same arrays until there are other tokens or attributes; ``refresh`` brings them to now.
        """
        self.refresh()
        return self._place_of, self._priors

    def refresh(self) -> None:
        """Have the arrays of ``by_place`` say what is known now."""
        n_tokens = self._catalogue.n_tokens
        if self._current and n_tokens == self._n_tokens:
            return
        self._place_of = grown(self._place_of, n_tokens)
        for token in range(self._n_tokens, n_tokens):
            name = self._name(token)
            self._place_of[token] = self._places.setdefault(name, len(self._places))
        if len(self._priors) != len(self._places):
            Renewal.declare()
            self._priors, self._current = np.zeros(len(self._places)), False
        if not self._current:
            self._priors[:] = [self.prior(name) for name in self._places]
            self._current = True
        self._n_tokens = n_tokens

    def learn(
        self, tastes: Tastes, tokens: Sequence[int], reward: float, unexplained: float
    ) -> None:
        """Take in a lesson on a shown item, after the person has learned it.

        Parameters
        ----------
        unexplained
            Square of the surprise, less the variance that tastes explain.
        """
        shared = self._shared
        shared.rewards += reward
        shared.count += 1
        shared.noise += unexplained
        self._current = False
        mean, left = tastes.mean, tastes.left
        for token in tokens:
            if token in mean:
                name = self._name(token)
                self._of.pop(name, None)
                field = shared.fields.setdefault(name, _Field())
                field.squares += mean[token] ** 2
                field.known += 1.0 - left[token]

    def sums(self) -> TasteSums:
        """Return what everybody's tastes add up to."""
        shared = self._shared
        fields = {name: (one.squares, one.known) for name, one in shared.fields.items()}
        return TasteSums(shared.rewards, shared.count, shared.noise, fields)

    def add(self, sums: TasteSums) -> None:
        """Add what the tastes of other shards' people add up to."""
        shared = self._shared
        shared.rewards += sums.rewards
        shared.count += sums.count
        shared.noise += sums.noise
        self._current = False
        self._of.clear()
        for name, (squares, known) in sums.fields.items():
            field = shared.fields.setdefault(name, _Field())
            field.squares += squares
            field.known += known

    def snapshot(self) -> bytes:
        """Return the sums as a record."""
        return pack(self._shared)

    def restore(self, record: bytes) -> None:
        """Replace the sums by those that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        self._shared = unpack(record, _State)
        self._places.clear()
        self._names.clear()
        self._place_of.fill(0)
        self._n_tokens = 0
        self._current = False
        self._of.clear()
