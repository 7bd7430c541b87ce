"""Records of arrays in the form in which compiled code takes them at once.

A tuple of arrays is taken apart at each call, and its type found anew: some .15 us for each array,
which in the calls that make a list came to more than their loops. What is held goes as one pointer,
however many arrays there are. Compiled code reads its fields as it reads a tuple's.
"""

import sys
from collections.abc import Callable
from operator import is_
from typing import Any, Generic, TypeVar

from numba.core import types
from numba.experimental import structref
from typing_extensions import override

from recsys.arrays import Renewal
from recsys.compiled import compiled

__all__ = ["Held", "holder"]

T = TypeVar("T", bound=tuple[object, ...])


def holder(record: type[T]) -> Callable[[T], T]:
    """Return what makes the held form of a kind of named tuple, of which only compiled code reads.

    To be called once, in the module of the kind: its held form is known by a name in there, so that
    what was compiled for it is found again by the next process.
    """
    module, fields = sys.modules[record.__module__], list(record.__annotations__)
    place = {"__module__": record.__module__}
    kind = type(f"_{record.__name__}Type", (_Kind,), place)
    proxy = type(f"_{record.__name__}Held", (structref.StructRefProxy,), place)
    for made in (kind, proxy):
        setattr(module, made.__name__, made)
    # numba does not say what these take and return.
    define: Any = structref
    define.register(kind)
    define.define_constructor(proxy, kind, fields)
    define.define_attributes(kind)
    define.define_boxing(kind, proxy)

    def hold(given: T) -> T:
        held: T = proxy(*given)
        return held

    # The names are part of what it makes, but not of what numba knows it by.
    return compiled(hold, f"{record.__module__}.{record.__qualname__}{fields}")


class _Kind(types.StructRef):
    @override
    def preprocess_fields(
        self, fields: tuple[tuple[str, types.Type], ...]
    ) -> tuple[tuple[str, types.Type], ...]:
        # Not by its value: code is compiled for a type.
        unliteral: Callable[[types.Type], types.Type] = types.unliteral
        return tuple((name, unliteral(field)) for name, field in fields)


class Held(Generic[T]):
    """The held form of a record, made anew when a field is another object than before.

    Fields are looked at after a renewal only (``recsys.arrays.Renewal``).

    Parameters
    ----------
    hold
        From ``holder``.
    """

    def __init__(self, hold: Callable[[T], T]) -> None:
        self._hold = hold
        self._latest: tuple[T, T] | None = None
        self._as_of: object = None

    def __call__(self, look: Callable[[], T]) -> T:
        """Return the held form of the record of now, which is asked for after a renewal."""
        latest = self._latest
        if latest is not None and self._as_of is Renewal.latest:
            return latest[1]
        renewal = Renewal.latest
        record = look()
        if latest is None or not all(map(is_, record, latest[0])):
            latest = self._latest = record, self._hold(record)
        # From before the look, for it may have renewed something; and only if all went well.
        self._as_of = renewal
        return latest[1]
