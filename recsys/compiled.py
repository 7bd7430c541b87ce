"""The one way to machine code: inner loops over arrays, compiled by numba.

Compiled on the first call and kept on disk, so that only the first process after an installation
waits: ``recsys.engine.Engine.warm_up`` makes that wait happen before the first request. What is
kept lies below ``NUMBA_CACHE_DIR`` if that is set, else in ``__pycache__`` beside this file, else
in the user's cache folder; where none of them can be written, each process compiles for itself.

numba alone would notice a change of the function's own file only, and let one process read the old
code of a function that another one is just replacing. So the folder is named by all that the code
is made from: this file, the function's, those of the compiled functions that it calls, and the
constants that they know.

Sums may be reassociated, which is what lets them be vectorised: the same machine gives the same
bytes, another processor may differ in the last digit. NaN and infinity keep their meaning.
"""

import contextlib
import hashlib
import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numba

__all__ = ["compiled"]

F = TypeVar("F", bound=Callable[..., object])

_FAST = {"contract", "reassoc", "arcp", "nsz"}


def compiled(function: F) -> F:
    """Compile a function of arrays and numbers.

    It keeps the interpreter's lock: a list is made by some forty calls of a few microseconds, and
    to give it up in each of them, while another thread writes, costs more than that thread gains.
    """
    folder = _folder(_digest(function))
    former = numba.config.CACHE_DIR
    # numba looks here once, while it decorates.
    numba.config.CACHE_DIR = str(folder or former)
    try:
        return numba.njit(cache=folder is not None, fastmath=_FAST, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = former


def _digest(function: Callable[..., object]) -> str:
    digest = hashlib.blake2b(Path(__file__).read_bytes(), digest_size=12)
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
