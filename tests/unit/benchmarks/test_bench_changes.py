import pytest

from benchmarks.changes import Change, Still, reordered, summary
from benchmarks.figures import Quantiles


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (["a", "c", "d", "x"], False),
        (["a", "c", "d"], False),
        (["c", "a", "d", "x"], True),
        (["x", "a", "c", "d"], True),
        (["a", "b", "c", "d"], True),
    ],
)
def test_only_more_than_the_clicked_item_leaving_is_a_new_order(
    after: list[str], expected: bool
) -> None:
    assert reordered(["a", "b", "c", "d"], after, "b") is expected


def change(change_ms: float | None, asks: int, *, new: bool) -> Change:
    return Change(
        ack_ms=2.0,
        change_ms=change_ms,
        asks=asks,
        reordered=new,
        newcomers=3 if new else 1,
        kin_before=1,
        kin_after=4,
    )


def test_a_summary_counts_what_changed_and_what_did_not() -> None:
    changes = [change(5.0, 1, new=True), change(9.0, 2, new=False), change(None, 50, new=False)]
    found = summary(changes, [Still(changed=True, newcomers=1), Still(changed=False, newcomers=0)])
    assert (found.clicks, found.unchanged, found.most_asks, found.one_ask) == (3, 1, 50, 1)
    assert found.change_ms == Quantiles(2, p50=5.0, p99=9.0, p999=9.0, max=9.0)
    assert (found.reordered, found.newcomers) == (1, 1.667)
    assert (found.kin_before, found.kin_after) == (1.0, 4.0)
    assert (found.still, found.still_changed, found.still_newcomers) == (2, 1, 0.5)
