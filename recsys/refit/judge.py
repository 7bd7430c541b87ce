"""Whether one learner predicted better than another, choice by choice, beyond what chance does.

The differences of the losses of neighbouring choices are not independent: the same people choose
from the same shelf. So the standard error comes from the means of about ``sqrt(n)`` blocks in a row
(batch means: Law & Kelton, "Simulation Modeling and Analysis", 9.5.3).
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

__all__ = ["LEAST_CHOICES", "MARGIN", "Verdict", "judge", "undecided"]

MARGIN: Final = 2.0
"""Standard errors by which the new learner must be better."""
LEAST_CHOICES: Final = 100
"""Fewer choices decide nothing."""


class Verdict(msgspec.Struct, frozen=True):
    """Mean losses in nats per choice over the same choices.

    Attributes
    ----------
    gain
        Baseline less loss: above 0 when the new learner is better.
    error
        Its standard error; infinite when there are too few choices, of which nothing else is said.
    """

    choices: int
    loss: float
    baseline: float
    gain: float
    error: float

    @property
    def enough(self) -> bool:
        """Whether there are enough choices for an error."""
        return self.choices >= LEAST_CHOICES

    @property
    def better(self) -> bool:
        """Whether the gain is more than ``MARGIN`` standard errors above 0."""
        return self.gain > MARGIN * self.error

    @property
    def reason(self) -> str:
        """The verdict in words."""
        if not self.enough:
            return f"{self.choices} choices to judge by decide nothing, {LEAST_CHOICES} would"
        sign = ">" if self.better else "not above"
        return f"gain {self.gain:+.4f} {sign} {MARGIN:g} x {self.error:.4f}"


def undecided(choices: int) -> Verdict:
    """Return the verdict on too few choices."""
    return Verdict(choices, 0.0, 0.0, 0.0, math.inf)


def judge(losses: Sequence[float], baselines: Sequence[float]) -> Verdict:
    """Compare two learners on the same choices, in their order."""
    n = len(losses)
    if n < LEAST_CHOICES:
        return undecided(n)
    gains = np.asarray(baselines) - np.asarray(losses)
    means = np.array([block.mean() for block in np.array_split(gains, math.isqrt(n))])
    error = float(means.std(ddof=1) / math.sqrt(len(means)))
    return Verdict(
        choices=n,
        loss=float(np.mean(losses)),
        baseline=float(np.mean(baselines)),
        gain=float(gains.mean()),
        error=error,
    )
