"""The people: tastes over genres, impatience, habits; and how tastes change.

Each person draws from a generator of their own, seeded by the world's seed and their number, so
that what one does never depends on the order in which the others came.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.catalogue import GENRES

__all__ = ["EVERY_GENRE", "Person", "activity"]

EVERY_GENRE: Final = tuple(range(len(GENRES)))

_ANYTHING: Final = 0.06
"""A bit of everything: the taste for a genre that is nobody's favourite."""
_SECOND: Final = 0.5
_FOLLOWERS: Final = 0.06
"""Share of people who watch what everybody watches."""
_FOLLOW: Final = 0.65
_FOLLOW_A_LITTLE: Final = 0.08
_ETA: Final = (0.4, 0.9)
_ZIPF: Final = 0.5
_GENRE_ZIPF: Final = 0.25
"""Some genres have more friends than others: what a popularity list lives on."""


def activity(n_people: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the share of all visits that each seat makes, Zipf-like, shape ``(n_people,)``."""
    weights = np.power(1.0 + rng.permutation(n_people), -_ZIPF)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


class Person:
    """One person: who they are, and everything that changes about them.

    Parameters
    ----------
    seed
        The world's.
    seat
        One of the places that are always taken; it holds how often its person comes.
    generation
        How many people had this seat before.
    among
        Indices of the genres that the favourites are chosen from.

    Attributes
    ----------
    user_id
        The id that the server sees.
    tastes
        In [0, 1] with the favourite at 1, shape ``(n_genres,)``.
    mainstream
        How much fame counts, in [0, 1].
    eta
        Impatience: exponent of the position bias.
    watched
        Item indices.
    lists
        How many lists they have looked at.
    shifts
        How often the tastes have changed.
    """

    def __init__(
        self, seed: int, seat: int, generation: int, among: Sequence[int] = EVERY_GENRE
    ) -> None:
        self.seat = seat
        self.generation = generation
        # Another world's people are other people, also for a server that knew those.
        self.user_id = f"user-{seed}-{seat}-{generation}"
        self.rng = np.random.default_rng([seed, 1, seat, generation])
        # Tastes draw apart, so that a mass switch leaves the looks and clicks as they were.
        self._taste_rng = np.random.default_rng([seed, 2, seat, generation])
        self.mainstream = _FOLLOW if self.rng.random() < _FOLLOWERS else _FOLLOW_A_LITTLE
        self.eta = float(self.rng.uniform(*_ETA))
        self.watched: set[int] = set()
        self.lists = 0
        self.shifts = 0
        self.among = tuple(among)
        self.tastes = self._draw_tastes()

    @property
    def favourite(self) -> int:
        """Index of the genre they like most."""
        return int(self.tastes.argmax())

    def shift(self) -> None:
        """Turn from the favourite genre to another one; the second favourite stays."""
        favourite, second = np.argsort(-self.tastes)[:2].tolist()
        self.tastes = self._make_tastes(self._draw_genre((favourite, second)), second)
        self.shifts += 1

    def turn_to(self, among: Sequence[int]) -> None:
        """Draw all tastes anew, the favourites among these genres; one genre is the only one."""
        self.among = tuple(among)
        self.tastes = self._draw_tastes()
        self.shifts += 1

    def _draw_tastes(self) -> NDArray[np.float64]:
        favourite = self._draw_genre(())
        second = self._draw_genre((favourite,)) if len(self.among) > 1 else favourite
        return self._make_tastes(favourite, second)

    def _draw_genre(self, besides: Sequence[int]) -> int:
        """Draw one of the genres to choose from; of any, once none of those is left."""
        weights = (1.0 + np.arange(len(GENRES))) ** -_GENRE_ZIPF
        weights[list(besides)] = 0.0
        chosen = np.isin(np.arange(len(GENRES)), self.among)
        if weights[chosen].any():
            weights[~chosen] = 0.0
        return int(self._taste_rng.choice(len(GENRES), p=weights / weights.sum()))

    def _make_tastes(self, favourite: int, second: int) -> NDArray[np.float64]:
        tastes = self._taste_rng.uniform(0.0, 2.0 * _ANYTHING, len(GENRES))
        tastes[second] = _SECOND
        tastes[favourite] = 1.0
        return tastes
