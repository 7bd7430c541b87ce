"""What the engine is held against: lists by popularity."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.service import LIST, Shown, look
from simulators.audience import Person
from simulators.click_models import examined
from simulators.worlds import World

__all__ = ["LearnedPopularity", "Popularity"]

_PRIOR_CLICKS: Final = 1.0
_PRIOR_LOOKS: Final = 20.0
_IMPATIENCE: Final = 0.65
"""The mean of the world's people: this popularity is told how they read, the engine is not."""
_STREAM: Final = 5


class Popularity:
    """Shows everybody the same order, less what they watched.

    Parameters
    ----------
    order
        Row numbers of the items, the most popular one first.
    moves_on
        Whether what a person was shown goes behind what they were not. Otherwise they see what they
        passed over again and again, which is what makes popularity look bad.
    """

    def __init__(self, order: Sequence[int], *, moves_on: bool) -> None:
        self._order = order
        self._moves_on = moves_on
        self._shown: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def show(self, world: World, person: Person, at_s: float) -> Shown:
        """Let a person look at the next of the most popular items."""
        rows = self.pick(person, self._order)
        return look(world, person, [world.catalogue.ids[row] for row in rows])

    def pick(self, person: Person, order: Sequence[int]) -> list[int]:
        """Return the rows to show out of an order, and remember that they were shown."""
        shown = self._shown[person.user_id]
        rows = [row for row in order if row not in person.watched]
        if self._moves_on:
            # Sorting is stable: among those shown equally often the order stays.
            rows.sort(key=shown.__getitem__)
        shown.update(rows[:LIST])
        return rows[:LIST]


class LearnedPopularity:
    """Epsilon-greedy by each item's click rate, learned from the clicks on its own lists.

    The rate is clicks over the number of times that the item was looked at, in expectation, both
    with a prior. Counting clicks alone would be a weaker opponent: what is shown gets the clicks.

    Parameters
    ----------
    epsilon
        Each place is with this probability any item's.
    """

    def __init__(self, world: World, *, epsilon: float, moves_on: bool) -> None:
        n_items = len(world.catalogue.ids)
        self._epsilon = epsilon
        self._base = Popularity((), moves_on=moves_on)
        self._clicks = np.full(n_items, _PRIOR_CLICKS)
        self._looks = np.full(n_items, _PRIOR_LOOKS)
        self._rng = np.random.default_rng([world.settings.seed, _STREAM])

    def show(self, world: World, person: Person, at_s: float) -> Shown:
        """Let a person look at the best items by now, some replaced by any other; learn."""
        rows = self._base.pick(person, self._order())
        for place in np.flatnonzero(self._rng.random(len(rows)) < self._epsilon).tolist():
            row = int(self._rng.integers(len(self._clicks)))
            if row not in person.watched and row not in rows:
                rows[place] = row
        shown = look(world, person, [world.catalogue.ids[row] for row in rows])
        self._looks[rows] += examined(len(rows), _IMPATIENCE)
        self._clicks[world.rows([click.item_id for click in shown.clicks])] += 1.0
        return shown

    def _order(self) -> Sequence[int]:
        rates: NDArray[np.float64] = self._clicks / self._looks
        # Ties by lot: else the first items of the catalogue would be tried before all others.
        order: Sequence[int] = np.lexsort((self._rng.random(len(rates)), -rates)).tolist()
        return order
