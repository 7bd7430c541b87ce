"""So much a second, and so much at once, for each of many: the leaky bucket as a meter (GCRA).

One number per name: until when it has used up what it may. A counter per window would let twice as
much through at the seam of two windows, and a list of times grows with what is allowed.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

__all__ = ["Allowance"]

_EPSILON_S: Final = 1e-9


class Allowance:
    """What each of many may still do.

    Parameters
    ----------
    bound
        Names remembered; of more, those that were not heard of for longest are forgotten.
    clock
        Seconds that never go back.
    """

    def __init__(self, bound: int = 100_000, clock: Callable[[], float] = monotonic) -> None:
        self._bound = bound
        self._clock = clock
        self._used_until: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str, rate: float, burst: float, n: int = 1) -> float:
        """Take ``n`` pieces, all or none of them.

        More than ``burst`` at once pass when nothing was taken lately, and are paid for later.

        Parameters
        ----------
        rate
            Pieces per second, above 0.
        burst
            Pieces at once.

        Returns
        -------
        float
            Seconds after which to try again; 0 when they were taken.
        """
        now = self._clock()
        used_until = max(now, self._used_until.get(name, -math.inf))
        wait = used_until - now - (burst - min(n, burst)) / rate
        if wait > _EPSILON_S:
            self._used_until.move_to_end(name)
            return wait
        self._used_until[name] = used_until + n / rate
        self._used_until.move_to_end(name)
        if len(self._used_until) > self._bound:
            self._used_until.popitem(last=False)
        return 0.0

    def give_back(self, name: str, rate: float, n: int = 1) -> None:
        """Undo the taking of ``n`` pieces that came to nothing."""
        used_until = self._used_until.get(name)
        if used_until is not None:
            self._used_until[name] = used_until - n / rate
