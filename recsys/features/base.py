"""What a learner sees of candidates and of examples."""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.events import Context
from recsys.features.half import widen_halves
from recsys.ids import feature_hash

__all__ = ["Candidates", "Choice", "Example", "context_hashes", "narrow", "widen"]


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
    shared
        What all candidates share, float32, shape ``(n_shared,)``, rounded likewise.
    """

    user: int
    context: tuple[int, ...]
    items: NDArray[np.int32]
    numeric: NDArray[np.float32]
    shared: NDArray[np.float32]


class Example(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One shown slot and what it earned.

    Attributes
    ----------
    numeric
        The numeric features as served, see ``recsys.events.Slot.features``.
    position
        Place in the list, 0 at the top.
    score
        What the policy drew from when it was served.
    """

    user: int
    context: tuple[int, ...]
    item: int
    numeric: bytes
    position: int
    propensity: float
    reward: float
    score: float = 0.0


class Choice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One item chosen among others, and what was known of them then.

    Attributes
    ----------
    user
        Hash of the user id.
    rows, shared
        The features of the candidates, one after the other, and of the request, see
        ``recsys.events.Decision.features``.
    n
        How many candidates there were.
    chosen
        Which of them.
    examined
        Logarithm of the probability of looking at each of them, float16 little-endian; empty when
        they were not shown as a list.
    item
        Dense index of the chosen one, -1 when the catalogue lacked it.
    """

    user: int
    rows: bytes
    shared: bytes
    n: int
    chosen: int
    examined: bytes = b""
    item: int = -1

    def examination(self) -> NDArray[np.float32] | float:
        """Return ``examined`` as numbers, shape ``(n_candidates,)``, or 0."""
        return widen(self.examined) if self.examined else 0.0


def context_hashes(context: Context) -> tuple[int, ...]:
    """Hash a context's entries; numbers are rounded to two digits, so that near values share."""
    if not context:
        return ()
    hashes = list[int]()
    for name, value in context.items():
        text = f"{value:.2g}" if type(value) in {float, int} else str(value)
        hashes.append(feature_hash("context", f"{name}={text}"))
    return tuple(sorted(hashes))


def narrow(row: NDArray[np.float32] | NDArray[np.float16]) -> bytes:
    """Return the float16 little-endian bytes of a row, shape ``(n_features,)``."""
    return row.astype("<f2", copy=False).tobytes()


def widen(data: bytes) -> NDArray[np.float32]:
    """Return the row that ``narrow`` wrote."""
    halves = np.frombuffer(data, "<u2").astype(np.uint16, copy=False)
    row = np.empty(len(halves), np.float32)
    widen_halves(halves, row)
    return row
