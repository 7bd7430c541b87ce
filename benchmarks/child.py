"""Work in a process of its own, so that what it takes of the processor can be told apart."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from signal import SIG_IGN, SIGINT, signal
from typing import TypeVar, cast

__all__ = ["in_child"]

T = TypeVar("T")


def in_child(work: Callable[..., T], *arguments: object) -> T:
    """Call a function in a fresh process and return what it returns.

    Parameters
    ----------
    work
        Of a module, so that the process can find it; as are the ``arguments``, it is pickled.

    Raises
    ------
    RuntimeError
        When it failed; with its message.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_be, args=(theirs, work, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        failed, found = ours.recv()
    except EOFError:
        message = f"the process of {work.__name__} ended without a word"
        raise RuntimeError(message) from None
    finally:
        process.kill()
        process.join()
        ours.close()
    if failed:
        raise RuntimeError(found)
    return cast("T", found)


def _be(pipe: Pipe, work: Callable[..., T], arguments: tuple[object, ...]) -> None:
    # Ctrl-C reaches all of a terminal's processes; who started this one ends it.
    signal(SIGINT, SIG_IGN)
    try:
        found = work(*arguments)
    except (OSError, ValueError, RuntimeError, ExceptionGroup) as error:
        pipe.send((True, f"{type(error).__name__}: {error}"))
    else:
        pipe.send((False, found))
