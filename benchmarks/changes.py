"""What one click did to a list, and what many clicks did together."""

from collections.abc import Sequence

import msgspec

from benchmarks.figures import Quantiles

__all__ = ["Change", "ChangeSummary", "Still", "reordered", "summary"]


class Change(msgspec.Struct, frozen=True):
    """What one click did.

    Attributes
    ----------
    ack_ms
        From sending the click to its acknowledgement.
    change_ms
        From there to the end of the first changed answer, ``None`` when none came.
    asks
        Lists asked for meanwhile.
    reordered
        Whether more changed than that the clicked item left and the others moved up.
    newcomers
        Items that were not in the list before.
    kin_before, kin_after
        Items of the list, the clicked one excepted, with its first genre.
    """

    ack_ms: float
    change_ms: float | None
    asks: int
    reordered: bool
    newcomers: int
    kin_before: int
    kin_after: int


class Still(msgspec.Struct, frozen=True):
    """What the list of somebody did who did not click."""

    changed: bool
    newcomers: int


class ChangeSummary(msgspec.Struct, frozen=True):
    """All clicks together.

    Attributes
    ----------
    one_ask
        People whose very next list was changed.
    newcomers
        Mean number of items in the changed list that were not in the one before.
    kin_before, kin_after
        Mean number of items in a list, the clicked one excepted, with its first genre.
    still, still_changed, still_newcomers
        People of the control; those whose list changed without a click; ``newcomers`` of theirs.
    """

    clicks: int
    change_ms: Quantiles
    ack_ms: Quantiles
    unchanged: int
    most_asks: int
    one_ask: int
    reordered: int
    newcomers: float
    kin_before: float
    kin_after: float
    still: int
    still_changed: int
    still_newcomers: float


def reordered(before: Sequence[str], after: Sequence[str], clicked: str) -> bool:
    """Return whether more happened to a list than that ``clicked`` left it."""
    rest = [item for item in before if item != clicked]
    return list(after[: len(rest)]) != rest


def summary(changes: Sequence[Change], still: Sequence[Still]) -> ChangeSummary:
    """Sum up; ``still`` is the control."""
    return ChangeSummary(
        clicks=len(changes),
        change_ms=Quantiles.of([one.change_ms for one in changes if one.change_ms is not None]),
        ack_ms=Quantiles.of([one.ack_ms for one in changes]),
        unchanged=sum(one.change_ms is None for one in changes),
        most_asks=max((one.asks for one in changes), default=0),
        one_ask=sum(one.asks == 1 and one.change_ms is not None for one in changes),
        reordered=sum(one.reordered for one in changes),
        newcomers=_mean([one.newcomers for one in changes]),
        kin_before=_mean([one.kin_before for one in changes]),
        kin_after=_mean([one.kin_after for one in changes]),
        still=len(still),
        still_changed=sum(one.changed for one in still),
        still_newcomers=_mean([one.newcomers for one in still]),
    )


def _mean(values: Sequence[int]) -> float:
    return round(sum(values) / max(len(values), 1), 3)
