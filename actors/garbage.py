"""Python's collector of cycles, kept from looking at what holds none.

A full collection walks through every object: .2 s and more with some thousand people in memory, in
which nobody is answered. What a shard keeps holds no cycles, and goes when nothing refers to it,
frozen or not.

Nor do the requests of a gateway. But those under way are thousands of young objects that come and
go in waves, and by default the collector looks at them for every 700 that come: a tenth of a
gateway's time for a list with 64 callers, in which it found nothing in 1,000 requests.
"""

import gc
from typing import Final

__all__ = ["look_seldom", "tuck_away"]

_YOUNG: Final = 50_000
"""More than come in a wave; some megabytes, if all of them were lost in cycles."""


def tuck_away() -> None:
    """Collect what is young, and have the collector look at what is left no more.

    What becomes a cycle only later, and is then dropped, stays: a few kilobytes for a connection.
    """
    gc.collect(1)
    gc.freeze()


def look_seldom() -> None:
    """Have the collector look at young objects only when there are many more than before."""
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
