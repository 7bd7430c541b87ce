"""Places where a test may have this process die, as ``kill -9`` would have it; nothing elsewhere.

A kill from outside hits the narrow places of a commit or a recovery once in thousands of times. So
these have names here, and the process kills itself at one of them when it is told to: ``arm`` puts
the order into a file, the process that passes the place takes the file away and dies. The next
process finds no order, so that nothing dies in a loop.

A process looks for orders only after ``watch``, and only when ``RECSYS_KILL_POINTS`` is set in its
environment. No setting does that, for no server in use should.
"""

import os
import signal
from pathlib import Path
from typing import Final

__all__ = ["POINTS", "VARIABLE", "arm", "armed", "disarm", "kill_point", "watch"]

VARIABLE: Final = "RECSYS_KILL_POINTS"

POINTS: Final = (
    "before-sync",  # events are in the transaction, which is not committed
    "after-sync",  # events are durable; nobody knows, and nothing was learned
    "after-capture",  # a snapshot is in memory
    "after-staging",  # the parts of a snapshot are durable, but none of it yet
    "mid-snapshot",  # a snapshot is in the transaction, which is not committed
    "after-snapshot",  # a snapshot is durable; nobody knows
    "mid-recovery",  # an event of the log was learned again, others were not
    "after-recovery",  # all of them were, but the shard does not serve yet
    "mid-arrival",  # a part of a partition that comes is durable and learned; nobody knows
    "before-departure",  # all of a partition is with its new owner; the old one has not let go
)

_FILE: Final = "kill-at"

_orders: Path | None = None


def watch(folder: Path) -> None:
    """Obey the orders in a folder from now on, if the environment allows it."""
    global _orders  # noqa: PLW0603 - a process has one life
    _orders = folder / _FILE if os.environ.get(VARIABLE) else None


def kill_point(name: str) -> None:
    """Die here if that was ordered; a comparison where nobody watches."""
    if _orders is not None:
        _obey(_orders, name)


def _obey(orders: Path, name: str) -> None:
    try:
        point, passes = orders.read_text().split()
    except FileNotFoundError:
        return
    if point != name:
        return
    if int(passes) > 1:
        _write(orders, point, int(passes) - 1)
        return
    orders.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def arm(folder: Path, point: str, passes: int = 1) -> None:
    """Order whoever watches a folder to die.

    Parameters
    ----------
    point
        One of ``POINTS``.
    passes
        How often the place is come to, from now on, until then; from 1.

    Raises
    ------
    ValueError
        For another point, or for fewer passes.
    """
    if point not in POINTS or passes < 1:
        message = f"expected one of {', '.join(POINTS)} and 1 or more passes, got {point}, {passes}"
        raise ValueError(message)
    _write(folder / _FILE, point, passes)


def armed(folder: Path) -> bool:
    """Return whether an order waits to be obeyed."""
    return (folder / _FILE).exists()


def disarm(folder: Path) -> None:
    """Take an order back, if there is one."""
    (folder / _FILE).unlink(missing_ok=True)


def _write(orders: Path, point: str, passes: int) -> None:
    """Replace the order as a whole: it may be read at any moment."""
    fresh = orders.with_suffix(".new")
    fresh.write_text(f"{point} {passes}")
    fresh.replace(orders)
