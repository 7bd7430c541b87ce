"""Askers and pools for tests of sources: what one source says, as a plain table."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Asker, Source
from recsys.candidates.pool import Pool
from recsys.users import User

__all__ = ["all_but", "person", "pool_of", "proposals", "scores"]


def person(*likes: tuple[int, int], user_id: str = "ann") -> User:
    """Return somebody who liked (item, time in milliseconds), oldest first."""
    return User(
        user_id=user_id,
        items=np.array([item for item, _ in likes], np.int32),
        times_ms=np.array([ts_ms for _, ts_ms in likes], np.int64),
    )


def pool_of(
    source: Source,
    user: User,
    ts_ms: int,
    n_items: int,
    given: Sequence[int] = (),
    without: Sequence[int] = (),
) -> Pool:
    """Return a new pool that the source alone has filled, for who may not have some items."""
    pool = Pool(source.columns)
    pool.grow(n_items)
    pool.add(np.array(given, np.int32))
    asker = Asker.at(user, ts_ms, all_but(without, n_items))
    source.propose(asker, pool, 0)
    source.score(asker, pool, 0)
    return pool


def all_but(without: Sequence[int], n_items: int) -> NDArray[np.bool_]:
    """Return which items may be shown."""
    allowed = np.ones(n_items, np.bool_)
    allowed[list(without)] = False
    return allowed


def proposals(
    source: Source, user: User, ts_ms: int, n_items: int, without: Sequence[int] = ()
) -> set[int]:
    """Return what the source proposes to who may not have some items."""
    return set(pool_of(source, user, ts_ms, n_items, without=without).items.tolist())


def scores(source: Source, user: User, ts_ms: int, n_items: int) -> NDArray[np.float32]:
    """Return the scores of all items, whoever proposed them, ``(n_items, n_columns)``."""
    return pool_of(source, user, ts_ms, n_items, range(n_items)).table(n_items)
