"""A small seeded catalogue and people for the checks, no part of it special."""

from typing import NamedTuple

import numpy as np

from recsys.catalogue import Catalogue
from recsys.features.base import Candidates, Example, narrow
from recsys.features.counts import ItemCounts
from recsys.settings import CatalogueSettings
from recsys.users import User

__all__ = ["CheckFailed", "World", "expect", "make_world"]

_GENRES = ("crime", "drama", "comedy", "family")


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

    def candidates(self, seed: int, n_features: int) -> Candidates:
        """Return a request of eight items of the catalogue and one that it lacks."""
        rng = np.random.default_rng(seed)
        items = rng.choice(len(self.catalogue), 8, replace=False)
        numeric = rng.random((9, n_features)).astype("<f2").astype(np.float32)
        return Candidates(
            int(rng.integers(1, 2**32)), (7, 9), np.append(items, -1).astype(np.int32), numeric
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
        )


def make_world(n_items: int = 40, n_users: int = 6, n_likes: int = 120) -> World:
    """Return the same world at each call."""
    rng = np.random.default_rng(1)
    catalogue = Catalogue(CatalogueSettings())
    for number in range(n_items):
        genres = [str(genre) for genre in rng.choice(_GENRES, 2, replace=False)]
        catalogue.upsert(f"item-{number}", 1000 * number, {"genre": genres})
    counts = ItemCounts()
    counts.grow(n_items)
    users = tuple(User(user_id=f"user-{number}") for number in range(n_users))
    likes = tuple(
        (users[int(rng.integers(n_users))], int(rng.integers(n_items)), 1_000_000 + 20_000 * step)
        for step in range(n_likes)
    )
    return World(catalogue, counts, users, likes)
