"""What a learner sees of candidates and of examples."""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.events import Context
from recsys.ids import feature_hash

__all__ = ["Candidates", "Example", "context_hashes", "narrow", "widen"]


class Candidates(NamedTuple):
    """The items considered for one request.

    Attributes
    ----------
    user
        Hash of the user id.
    context
        Hashes of the request's context, sorted.
    items
        Dense indices, int32, shape ``(n_candidates,)``; -1 for an item the catalogue lacks.
    numeric
        float32, shape ``(n_candidates, n_features)``, already rounded to float16's values, so that
        what is logged is what was scored.
    """

    user: int
    context: tuple[int, ...]
    items: NDArray[np.int32]
    numeric: NDArray[np.float32]


class Example(msgspec.Struct, frozen=True, array_like=True):
    """One shown slot and what it earned.

    Attributes
    ----------
    numeric
        The numeric features as served, see ``recsys.events.Slot.features``.
    position
        Place in the list, 0 at the top.
    """

    user: int
    context: tuple[int, ...]
    item: int
    numeric: bytes
    position: int
    propensity: float
    reward: float


def context_hashes(context: Context) -> tuple[int, ...]:
    """Hash a context's entries; numbers are rounded to two digits, so that near values share."""
    hashes = list[int]()
    for name, value in context.items():
        text = f"{value:.2g}" if type(value) in {float, int} else str(value)
        hashes.append(feature_hash("context", f"{name}={text}"))
    return tuple(sorted(hashes))


def narrow(row: NDArray[np.float32]) -> bytes:
    """Return the float16 little-endian bytes of a row, shape ``(n_features,)``."""
    return row.astype("<f2").tobytes()


def widen(data: bytes) -> NDArray[np.float32]:
    """Return the row that ``narrow`` wrote."""
    return np.frombuffer(data, "<f2").astype(np.float32)
