"""Quantiles of what was measured, exact and not interpolated."""

import math
from collections.abc import Sequence
from typing import Self

import msgspec

__all__ = ["Quantiles", "quantile"]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of all values do not exceed.

    Parameters
    ----------
    share
        In (0, 1]; 0.5 is the lower median, 1 the maximum.

    Raises
    ------
    ValueError
        When there are no values.
    """
    if not values:
        message = "there is no quantile of nothing"
        raise ValueError(message)
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Quantiles(msgspec.Struct, frozen=True):
    """What there is to say of many durations, in the unit of their field's name.

    Attributes
    ----------
    p50, p99, max
        ``None`` when nothing was measured.
    """

    count: int
    p50: float | None = None
    p99: float | None = None
    max: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Sum up."""
        if not values:
            return cls(0)
        p50, p99, most = (round(quantile(values, share), 3) for share in (0.5, 0.99, 1.0))
        return cls(len(values), p50, p99, most)

    def text(self, unit: str) -> str:
        """Return one line for people."""
        if self.count == 0:
            return "nothing was measured"
        return f"p50 {self.p50:.2f}, p99 {self.p99:.2f}, max {self.max:.2f} {unit}"
