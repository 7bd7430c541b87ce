"""Who clicks on what: a position-biased model with tastes behind it.

A click on the item at rank ``r`` has the probability ``examined(r) * liked``:

- ``examined(r) = r ** -eta``, where ``eta`` is the person's own impatience;
- ``liked = CEILING * appeal * (FLOOR + (1 - FLOOR) * quality)``, where ``appeal`` blends the match
  of tastes and genres with the item's fame, by how much the person follows the mainstream;
- what was watched already is liked ``REPEAT`` times as much.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.catalogue import Catalogue

__all__ = ["REPEAT", "examined", "liked"]

CEILING: Final = 0.8
FLOOR: Final = 0.3
REPEAT: Final = 0.05
_SHARPNESS: Final = 1.5
"""Above 1, half a match attracts less than half as much."""


def examined(n: int, eta: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of looking at ranks 1 to ``n``, shape ``(n,)``.

    An array of ``eta`` of shape ``(n_people, 1)`` gives ``(n_people, n)``.
    """
    looked: NDArray[np.float64] = np.arange(1.0, n + 1.0) ** -np.asarray(eta)
    return looked


def liked(
    catalogue: Catalogue, tastes: NDArray[np.float64], mainstream: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability of a click on an examined item that is not watched yet.

    Parameters
    ----------
    tastes
        In [0, 1], shape ``(n_people, n_genres)``.
    mainstream
        In [0, 1], shape ``(n_people,)``.

    Returns
    -------
    Shape ``(n_people, n_items)``.
    """
    has = catalogue.genres > 0.0
    best = np.stack([np.where(has, taste, 0.0).max(axis=1) for taste in tastes])
    match = best**_SHARPNESS
    follow = mainstream[:, None]
    appeal = (1.0 - follow) * match + follow * np.sqrt(catalogue.popularity)
    probabilities: NDArray[np.float64] = (
        CEILING * appeal * (FLOOR + (1.0 - FLOOR) * catalogue.quality)
    )
    return probabilities
