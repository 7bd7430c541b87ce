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

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.arrays import grown
from recsys.catalogue import Catalogue
from recsys.codec import pack, unpack
from recsys.held import Held
from recsys.learners.taste_filter import (
    BASE,
    KNOWN,
    NOISE,
    SQUARES,
    Crowd,
    hold_crowd,
    settle,
)
from recsys.mixing.lessons import TasteSums
from recsys.settings import PersonalBanditSettings

__all__ = ["TastePriors"]


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
    """Sums over everybody; there is a field for each name of an attribute.

    Compiled code adds to them (``recsys.learners.taste_filter``).

    Attributes
    ----------
    levels
        Base and noise, see ``recsys.learners.taste_filter``; the same array always.
    """

    def __init__(self, settings: PersonalBanditSettings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        # Where each attribute stands in the arrays; follows from the catalogue and who learned it.
        self._places = dict[str, int]()
        self._place_of = np.zeros(64, np.int32)
        self._n_tokens = 0
        self._sums = np.zeros(3)
        self._fields = np.zeros((8, 2))
        self._ranks = np.zeros(8, np.int64)
        self.levels = np.zeros(2)
        self._priors = np.zeros(8)
        self._held = Held(hold_crowd)
        settle(self.held)

    @property
    def held(self) -> Crowd:
        """All of it, for compiled code; for every token that the catalogue has now."""
        self.refresh()
        return self._held(self._record)

    def _record(self) -> Crowd:
        settings = self._settings
        return Crowd(
            self._sums,
            self._fields,
            self._ranks,
            self.levels,
            self._priors,
            self._place_of,
            settings.prior_variance,
            settings.noise_variance,
            settings.adapt,
            settings.caution,
        )

    @property
    def base(self) -> float:
        """Mean reward of a shown slot, drawn towards 5 % by a hundred slots; above 0."""
        return float(self.levels[BASE])

    @property
    def noise(self) -> float:
        """How far a reward lies from what was expected of it, as a variance."""
        return float(self.levels[NOISE])

    def prior(self, name: str) -> float:
        """Return how much people differ in their taste for an attribute's values, as a variance."""
        place = self._places.get(name)
        return self._settings.prior_variance if place is None else float(self._priors[place])

    def of(self, token: int) -> float:
        """Return the prior variance of the taste for what a token says."""
        self.refresh()
        return float(self._priors[self._place_of[token]])

    def by_place(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the place of each token's attribute, ``(n_tokens or more,)``, and the priors.

        The same arrays until there are other tokens or attributes; they always say what is known.
        """
        self.refresh()
        return self._place_of, self._priors

    def refresh(self) -> None:
        """Have the arrays of ``by_place`` hold every token that the catalogue has now."""
        n_tokens = self._catalogue.n_tokens
        if n_tokens == self._n_tokens:
            return
        self._place_of = grown(self._place_of, n_tokens)
        for token in range(self._n_tokens, n_tokens):
            name, _, _ = self._catalogue.token(token).partition("=")
            self._place_of[token] = self._place(name)
        self._n_tokens = n_tokens

    def _place(self, name: str) -> int:
        place = self._places.setdefault(name, len(self._places))
        self._fields = grown(self._fields, place + 1)
        self._ranks = grown(self._ranks, place + 1)
        self._priors = grown(self._priors, place + 1, self._settings.prior_variance)
        return place

    def sums(self) -> TasteSums:
        """Return what everybody's tastes add up to."""
        rewards, slots, unexplained = self._sums.tolist()
        fields = {name: (squares, known) for name, squares, known in self._learned()}
        return TasteSums(rewards, int(slots), unexplained, fields)

    def _learned(self) -> list[tuple[str, float, float]]:
        """Return what was learned of attributes, in the order in which they came."""
        ranks, fields = self._ranks.tolist(), self._fields.tolist()
        learned = [(name, place) for name, place in self._places.items() if ranks[place]]
        learned.sort(key=lambda one: ranks[one[1]])
        return [(name, fields[place][SQUARES], fields[place][KNOWN]) for name, place in learned]

    def add(self, sums: TasteSums) -> None:
        """Add what the tastes of other shards' people add up to."""
        self._sums += (sums.rewards, sums.count, sums.noise)
        self._add(sums.fields)

    def _add(self, fields: Mapping[str, tuple[float, float]]) -> None:
        for name, known in fields.items():
            place = self._place(name)
            self._fields[place] += known
            if not self._ranks[place]:
                self._ranks[place] = self._ranks.max() + 1
        settle(self.held)

    def snapshot(self) -> bytes:
        """Return the sums as a record."""
        sums = self.sums()
        fields = {name: _Field(*known) for name, known in sums.fields.items()}
        return pack(_State(sums.rewards, sums.count, sums.noise, fields))

    def restore(self, record: bytes) -> None:
        """Replace the sums by those that ``snapshot`` returned.

        Raises
        ------
        CorruptRecord
            When the record is damaged.
        """
        state = unpack(record, _State)
        self._places.clear()
        self._n_tokens = 0
        for array in (self._place_of, self._fields, self._ranks):
            array.fill(0)
        self._sums[:] = state.rewards, state.count, state.noise
        self._add({name: (one.squares, one.known) for name, one in state.fields.items()})
