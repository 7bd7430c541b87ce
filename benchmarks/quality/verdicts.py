"""What a part adds: differences between runs of the same seed, and when they are none.

A part is judged by what changes without it, seed by seed, so that what makes one seed harder than
another cancels out. With n differences of mean m and standard deviation s (of n - 1), the part

- **adds** when m < 0 and ``abs(m) > t s / sqrt(n)``,
- **hurts** when m > 0 and the same,
- is **within noise** otherwise,

where t is the 97.5 % quantile of Student's distribution with n - 1 degrees of freedom: 4.30 for
three seeds, and 2.26, never less, from ten on. By two standard errors, which do for many seeds,
three seeds would find something in nearly one part in five that does nothing. One seed alone finds
nothing.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Final, Literal

import msgspec

__all__ = ["Difference", "Verdict", "compare", "quantile"]

Verdict = Literal["adds", "hurts", "within noise", "one seed"]
_QUANTILES: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t at 97.5 % for 1, 2, ... degrees of freedom."""


class Difference(msgspec.Struct, frozen=True):
    """What is different without a part.

    Attributes
    ----------
    mean
        Of the figure without the part, less the figure with it.
    deviation
        Of the differences of the seeds; ``None`` for one seed.
    """

    mean: float
    deviation: float | None
    verdict: Verdict


def quantile(n: int) -> float:
    """Return t for so many differences, at least two."""
    return _QUANTILES[min(n - 2, len(_QUANTILES) - 1)]


def compare(without: Sequence[float], whole: Sequence[float]) -> Difference:
    """Judge a part by a figure of which more is better, seed by seed in the same order."""
    differences = [other - one for other, one in zip(without, whole, strict=True)]
    mean = fmean(differences)
    if len(differences) == 1:
        return Difference(mean, None, "one seed")
    deviation = stdev(differences)
    noise = quantile(len(differences)) * deviation / math.sqrt(len(differences))
    if abs(mean) <= noise:
        return Difference(mean, deviation, "within noise")
    return Difference(mean, deviation, "adds" if mean < 0.0 else "hurts")
