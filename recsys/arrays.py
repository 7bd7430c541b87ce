"""Arrays that grow by doubling and travel in records."""

from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.errors import NonFinite

__all__ = ["Packed", "grown", "moved", "pack_array", "unpack_array"]

S = TypeVar("S", bound=np.generic)


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """An array as bytes: little-endian, C order.

    Attributes
    ----------
    dtype
        numpy's name of the type, such as ``"<f4"``.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def grown(array: NDArray[S], n: int, fill: float = 0) -> NDArray[S]:
    """Return ``array`` with room for at least ``n`` rows, doubling; new rows hold ``fill``."""
    rows = array.shape[0]
    if n <= rows:
        return array
    bigger = np.full((max(n, 2 * rows), *array.shape[1:]), fill, array.dtype)
    bigger[:rows] = array
    return bigger


def moved(array: NDArray[S], places: NDArray[np.int64], n: int, fill: float = 0) -> NDArray[S]:
    """Return an array of ``n`` rows whose row ``places[i]`` is row i; the others hold ``fill``.

    Parameters
    ----------
    places
        -1 for a row that is left out; shape ``(n_rows,)``, ``array`` may have more.
    """
    out = np.full((n, *array.shape[1:]), fill, array.dtype)
    kept = places >= 0
    out[places[kept]] = array[: len(places)][kept]
    return out


def pack_array(array: NDArray[S]) -> Packed:
    """Return the portable form of an array.

    Raises
    ------
    NonFinite
        When it holds a number that is not finite.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        message = f"an array of shape {array.shape} holds numbers that are not finite"
        raise NonFinite(message)
    return Packed(array.dtype.newbyteorder("<").str, array.shape, array.tobytes())


def unpack_array(packed: Packed, dtype: type[S]) -> NDArray[S]:
    """Return a writable array of ``dtype`` from its portable form."""
    flat = np.frombuffer(packed.data, packed.dtype).astype(dtype)
    return flat.reshape(packed.shape)
