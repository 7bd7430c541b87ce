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
    return _at(sorted(values), share)


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Quantiles(msgspec.Struct, frozen=True):
    """What there is to say of many durations, in the unit of their field's name.

    Attributes
    ----------
    p50, p99, p999, max
        ``None`` when nothing was measured.
    """

    count: int
    p50: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Sum up."""
        if not values:
            return cls(0)
        ordered = sorted(values)
        return cls(len(values), *(round(_at(ordered, share), 3) for share in (0.5, 0.99, 0.999, 1)))

    def text(self, unit: str) -> str:
        """Return one line for people."""
        if self.count == 0:
            return "nothing was measured"
        return f"p50 {self.p50:.2f}, p99 {self.p99:.2f}, max {self.max:.2f} {unit}"
