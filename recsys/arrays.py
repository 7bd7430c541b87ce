"""Arrays that grow by doubling and travel in records."""

from typing import ClassVar, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.codec import bytes_head, list_head, map_head, seal_pieces
from recsys.errors import NonFinite

__all__ = ["Packed", "Renewal", "grown", "moved", "pack_array", "pack_state", "unpack_array"]

S = TypeVar("S", bound=np.generic)

_encoder = msgspec.msgpack.Encoder()


class Renewal:
    """Known to all: whether some array may have taken the place of another since.

    Whoever gives an array a successor that none of the functions here has made says so. To look
    at every array before every list, as those must who hold them for compiled code, took longer
    than some of the loops.

    Attributes
    ----------
    latest
        Another object after each renewal.
    """

    latest: ClassVar[object] = object()

    @classmethod
    def declare(cls) -> None:
        """Say that an array has a successor, or will have in this same step."""
        cls.latest = object()


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
    Renewal.declare()
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
    Renewal.declare()
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


def pack_state(state: msgspec.Struct) -> bytes:
    """Return what ``recsys.codec.pack`` does, but copy the arrays among the fields only once.

    Parameters
    ----------
    state
        Kept as a map under the names of its fields, 15 at most.
    """
    names = state.__struct_fields__
    pieces = [map_head(len(names))]
    for name in names:
        value = getattr(state, name)
        pieces.append(_encoder.encode(name))
        if isinstance(value, Packed):
            pieces += (list_head(3), _encoder.encode(value.dtype), _encoder.encode(value.shape))
            pieces += (bytes_head(len(value.data)), value.data)
        else:
            pieces.append(_encoder.encode(value))
    return seal_pieces(pieces)


def unpack_array(packed: Packed, dtype: type[S]) -> NDArray[S]:
    """Return a writable array of ``dtype`` from its portable form."""
    Renewal.declare()
    flat = np.frombuffer(packed.data, packed.dtype).astype(dtype)
    return flat.reshape(packed.shape)
