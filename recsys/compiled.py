"""The one way to machine code: inner loops over arrays, compiled by numba.

Compiled on the first call and kept on disk, so that only the first process after an installation
waits: ``recsys.engine.Engine.warm_up`` makes that wait happen before the first request. What is
kept lies below ``NUMBA_CACHE_DIR`` if that is set, else in ``__pycache__`` beside this file, else
in the user's cache folder; where none of them can be written, each process compiles for itself.

numba alone would notice a change of the function's own file only, and let one process read the old
code of a function that another one is just replacing. So the folder is named by all that the code
is made from: this file, the function's, those of the compiled functions that it calls, the
constants that they know, and the fields of the named tuples that they take.

Sums may be reassociated, which is what lets them be vectorised, but for functions of ``in_order``:
the same machine gives the same bytes, another processor may differ in the last digit. NaN and
infinity keep their meaning.
"""

import contextlib
import hashlib
import inspect
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar, get_args

import numba

__all__ = ["compiled", "in_order", "straight"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])

_FAST = {"contract", "reassoc", "arcp", "nsz"}


def compiled(function: F, variant: str = "", fast: Collection[str] = _FAST) -> F:
    """Compile a function of arrays and numbers.

    Parameters
    ----------
    variant
        Of several functions that one place in a file makes, what tells this one from the others.
    fast
        Liberties that LLVM may take with sums and products.

    Notes
    -----
    It keeps the interpreter's lock: a list is made by some forty calls of a few microseconds, and
    to give it up in each of them, while another thread writes, costs more than that thread gains.
    """
    folder = _folder(_digest(function, variant))
    former = numba.config.CACHE_DIR
    # numba looks here once, while it decorates.
    numba.config.CACHE_DIR = str(folder or former)
    try:
        return numba.njit(cache=folder is not None, fastmath={*fast}, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = former


def in_order(function: F) -> F:
    """Compile a function whose sums are taken as they are written, as Python would take them.

    For short loops with a long memory: every machine learns the same.
    """
    return compiled(function, fast=())


def straight(function: Callable[..., T], *like: object) -> Callable[..., T]:
    """Return what calls a compiled function without finding out what it is given.

    To look at the types of twenty arguments takes a server as long as some of the loops. Whoever
    calls it sees to it that they are always the same: an array of another type is read as if it
    were of the one that is said here.

    Parameters
    ----------
    like
        A value of each argument's type.
    """
    # What was decorated is a dispatcher of numba's; types do not say so.
    dispatcher: Any = function
    entry: Callable[..., T] = dispatcher.compile(tuple(map(numba.typeof, like)))
    return entry


def _digest(function: Callable[..., object], variant: str) -> str:
    digest = hashlib.blake2b(Path(__file__).read_bytes(), digest_size=12)
    digest.update(variant.encode())
    for ingredient in sorted(_ingredients(function)):
        digest.update(ingredient)
    return digest.hexdigest()


def _ingredients(function: Callable[..., object]) -> set[bytes]:
    """Return the files of a function and of those it calls, and the constants it knows."""
    found = {Path(inspect.getfile(function)).read_bytes()}
    for name, known in inspect.getclosurevars(function).globals.items():
        # numba's dispatchers have what they were made from.
        called = getattr(known, "py_func", None)
        if called is not None:
            found |= _ingredients(called)
        elif isinstance(known, bool | int | float):
            found.add(f"{name} = {known!r}".encode())
    for taken in function.__annotations__.values():
        found |= _records(taken)
    return found


def _records(kind: object) -> set[bytes]:
    """Return what named tuples of a type there are, and their fields: numba knows only the types.

    One with two fields of a type that have changed places would be taken for the one before.
    """
    found = set[bytes]()
    for one in get_args(kind) or (kind,):
        if isinstance(one, type) and hasattr(one, "_fields"):
            found.add(f"{one.__qualname__}{one._fields}".encode())
            for field in one.__annotations__.values():
                found |= _records(field)
    return found


def _folder(digest: str) -> Path | None:
    """Return the first folder of those above that can be written."""
    given = numba.config.CACHE_DIR
    places = [Path(given)] if given else [Path(__file__).parent / "__pycache__"]
    with contextlib.suppress(RuntimeError):
        places.append(Path.home() / ".cache" / "recsys")
    for place in places:
        folder = place / "compiled" / digest
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return folder
    return None
