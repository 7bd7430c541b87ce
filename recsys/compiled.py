"""The one way to machine code: inner loops over arrays, compiled by numba.

Compiled on the first call and kept beside the source (or in the user's cache folder), so that only
the first process after an installation waits: ``recsys.engine.Engine.warm_up`` makes that wait
happen before the first request.

Sums may be reassociated, which is what lets them be vectorised: the same machine gives the same
bytes, another processor may differ in the last digit. NaN and infinity keep their meaning.
"""

from collections.abc import Callable
from typing import TypeVar

import numba

__all__ = ["compiled"]

F = TypeVar("F", bound=Callable[..., object])

_FAST = {"contract", "reassoc", "arcp", "nsz"}


def compiled(function: F) -> F:
    """Compile a function of arrays and numbers; without the interpreter's lock while it runs."""
    return numba.njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")(function)
