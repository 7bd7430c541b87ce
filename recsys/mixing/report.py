"""What a ranker tells of itself, so that those of all shards can be brought together."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.arrays import Packed, pack_array, unpack_array
from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord

__all__ = ["RankerReport", "RankerShift", "open_shift", "seal_shift", "vector_of"]


class RankerReport(msgspec.Struct, frozen=True):
    """A ranker as it is.

    Attributes
    ----------
    kind
        Reports of one kind can be brought together.
    weights
        What its lessons have moved step by step, shape ``(n_weights,)``.
    statistics
        What is an average of what it has seen, shape ``(n_statistics,)``.
    """

    kind: str
    weights: Packed
    statistics: Packed


class RankerShift(msgspec.Struct, frozen=True):
    """What is to be added to a ranker; weights as float16, for the next shift knows what is left.

    Attributes
    ----------
    kind, weights, statistics
        See ``RankerReport``.
    """

    kind: str
    weights: Packed
    statistics: Packed


def vector_of(packed: Packed) -> NDArray[np.float32]:
    """Return a vector of a report or a shift.

    Raises
    ------
    CorruptRecord
        When it is none, or not finite.
    """
    try:
        vector = unpack_array(packed, np.float32)
    except (TypeError, ValueError) as error:
        detail = f"a ranker's report holds an array that is none: {error}"
        raise CorruptRecord(detail) from error
    if vector.ndim != 1 or not np.isfinite(vector).all():
        detail = f"a ranker's report holds numbers of shape {vector.shape}, or not finite ones"
        raise CorruptRecord(detail)
    return vector


def seal_shift(kind: str, weights: NDArray[np.float32], statistics: NDArray[np.float32]) -> bytes:
    """Return the record of a shift."""
    # A weight that is off by more than float16 holds is brought closer in several rounds.
    largest = float(np.finfo(np.float16).max)
    narrow = np.clip(weights, -largest, largest).astype("<f2")
    return pack(RankerShift(kind, pack_array(narrow), pack_array(statistics)))


def open_shift(
    record: bytes, kind: str, shapes: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return the weights and statistics of a shift, ``None`` when it is not for this ranker.

    Parameters
    ----------
    shapes
        How many weights and how many statistics there are.

    Raises
    ------
    CorruptRecord
        When the record is damaged.
    """
    shift = unpack(record, RankerShift)
    weights, statistics = vector_of(shift.weights), vector_of(shift.statistics)
    if shift.kind != kind or [len(weights), len(statistics)] != list(shapes):
        return None
    return weights, statistics
