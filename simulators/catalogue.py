"""What there is to watch: films and series with genres, quality and a popularity of their own."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.events import Attributes

__all__ = ["GENRES", "Catalogue"]

GENRES: Final = (
    "action", "animation", "comedy", "crime", "documentary", "family_drama",
    "fantasy", "history", "horror", "romance", "science_fiction", "sports",
)  # fmt: skip
_TYPES: Final = ("film", "series")
_LANGUAGES: Final = ("en", "es", "fr", "ja", "ko")
_LANGUAGE_SHARES: Final = (0.5, 0.15, 0.15, 0.1, 0.1)
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2025
_GENRE_WEIGHTS: Final = ((1.0,), (0.7, 0.3), (0.6, 0.25, 0.15))
"""How much of an item its first, second and third genre are."""
_GENRE_COUNTS: Final = (0.75, 0.22, 0.03)
_ZIPF: Final = 0.8


@dataclass(frozen=True)
class Catalogue:
    """All items, in arrays by item index.

    Attributes
    ----------
    ids
        Length ``n_items``.
    attributes
        What the server is told: ``genres``, ``type``, ``year``, ``language``.
    genres
        Shares of the genres, shape ``(n_items, n_genres)``; rows sum to 1.
    quality
        In (0, 1), shape ``(n_items,)``; nobody is told.
    popularity
        Zipf-like fame in (0, 1], the most famous item 1, shape ``(n_items,)``; nobody is told.
    """

    ids: tuple[str, ...]
    attributes: tuple[Attributes, ...]
    genres: NDArray[np.float64]
    quality: NDArray[np.float64]
    popularity: NDArray[np.float64]

    @classmethod
    def make(cls, n_items: int, rng: np.random.Generator) -> "Catalogue":
        """Draw ``n_items`` items."""
        genres = np.zeros((n_items, len(GENRES)))
        attributes: list[Attributes] = []
        for row in range(n_items):
            weights = _GENRE_WEIGHTS[rng.choice(len(_GENRE_WEIGHTS), p=_GENRE_COUNTS)]
            # The first genre goes around, so that small catalogues have all of them as well.
            others = rng.permutation([g for g in range(len(GENRES)) if g != row % len(GENRES)])
            chosen = [row % len(GENRES), *others[: len(weights) - 1].tolist()]
            genres[row, chosen] = weights
            attributes.append(
                {
                    "genres": [GENRES[genre] for genre in chosen],
                    "type": _TYPES[rng.integers(len(_TYPES))],
                    "year": float(rng.integers(_FIRST_YEAR, _LAST_YEAR + 1)),
                    "language": _LANGUAGES[rng.choice(len(_LANGUAGES), p=_LANGUAGE_SHARES)],
                }
            )
        quality = rng.beta(4.0, 3.0, n_items)
        popularity = np.arange(1.0, n_items + 1.0) ** -_ZIPF
        rng.shuffle(popularity)
        width = len(str(n_items - 1))
        ids = tuple(f"item-{row:0{width}}" for row in range(n_items))
        return cls(ids, tuple(attributes), genres, quality, popularity)
