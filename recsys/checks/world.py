"""A small seeded catalogue and people for the checks, no part of it special."""

from typing import NamedTuple

import numpy as np

from recsys.catalogue import Catalogue
from recsys.features.base import Candidates, Choice, Example, narrow
from recsys.features.counts import ItemCounts
from recsys.settings import CatalogueSettings
from recsys.users import User

__all__ = ["NOW_MS", "CheckFailed", "World", "expect", "make_world"]

_GENRES = ("crime", "drama", "comedy", "family")
_START_MS = 1_700_000_000_000
"""In November 2023: who asks as of 1970 asks from long before all that was learned."""
NOW_MS = _START_MS + 10_000_000
"""Later than everything that happened in the world."""


class CheckFailed(AssertionError):
    """A component breaks its contract; the message says which part of it."""


def expect(condition: bool | np.bool, message: str) -> None:
    """Raise ``CheckFailed`` unless the condition holds."""
    if not condition:
        raise CheckFailed(message)


class World(NamedTuple):
    """Items, counts and people.

    Attributes
    ----------
    likes
        (user, item, time) in time order.
    """

    catalogue: Catalogue
    counts: ItemCounts
    users: tuple[User, ...]
    likes: tuple[tuple[User, int, int], ...]

    def candidates(self, seed: int, n_features: int, n_shared: int = 0) -> Candidates:
        """Return a request of eight items of the catalogue and one that it lacks."""
        rng = np.random.default_rng(seed)
        items = rng.choice(len(self.catalogue), 8, replace=False)
        numeric = rng.random((9, n_features)).astype("<f2").astype(np.float32)
        return Candidates(
            int(rng.integers(1, 2**32)),
            (7, 9),
            np.append(items, -1).astype(np.int32),
            numeric,
            rng.random(n_shared).astype("<f2").astype(np.float32),
        )

    def example(self, seed: int, n_features: int) -> Example:
        """Return one joined slot."""
        rng = np.random.default_rng(seed)
        row = rng.random(n_features).astype(np.float32)
        return Example(
            int(rng.integers(1, 2**32)),
            (7,),
            int(rng.integers(len(self.catalogue))),
            narrow(row),
            int(rng.integers(10)),
            float(rng.uniform(0.05, 1.0)),
            float(rng.integers(2)),
            float(rng.uniform(0.0, 0.2)),
        )

    def choice(self, seed: int, n_features: int, n_shared: int) -> Choice:
        """Return one choice among two to eight candidates, every other one of a list."""
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 9))
        rows = rng.random((n, n_features)).astype(np.float32)
        shown = narrow(-np.log1p(np.arange(n, dtype=np.float32)))
        return Choice(
            int(rng.integers(1, 2**32)),
            narrow(rows),
            narrow(rng.random(n_shared).astype(np.float32)),
            n,
            int(rng.integers(n)),
            shown if seed % 2 else b"",
        )


def make_world(n_items: int = 40, n_users: int = 6, n_likes: int = 120) -> World:
    """Return the same world at each call."""
    rng = np.random.default_rng(1)
    catalogue = Catalogue(CatalogueSettings())
    for number in range(n_items):
        genres = [str(genre) for genre in rng.choice(_GENRES, 2, replace=False)]
        catalogue.upsert(f"item-{number}", _START_MS + 1000 * number, {"genre": genres})
    counts = ItemCounts()
    counts.grow(n_items)
    users = tuple(User(user_id=f"user-{number}") for number in range(n_users))
    likes = tuple(
        (
            users[int(rng.integers(n_users))],
            int(rng.integers(n_items)),
            _START_MS + 1_000_000 + 20_000 * step,
        )
        for step in range(n_likes)
    )
    return World(catalogue, counts, users, likes)
