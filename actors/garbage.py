"""Python's collector of cycles, kept from looking at everything a shard knows.

A full collection walks through every object: .2 s and more with some thousand people in memory, in
which nobody is answered. What a shard keeps holds no cycles, and goes when nothing refers to it,
frozen or not.
"""

import gc

__all__ = ["tuck_away"]


def tuck_away() -> None:
    """Collect what is young, and have the collector look at what is left no more.

    What becomes a cycle only later, and is then dropped, stays: a few kilobytes for a connection.
    """
    gc.collect(1)
    gc.freeze()
