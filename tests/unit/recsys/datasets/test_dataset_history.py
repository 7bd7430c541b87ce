"""Rows as events: what they say, under which id, and when an item enters."""

import pytest

from recsys.datasets import Act, Interaction, act_of, feedback_of, with_items
from recsys.events import Attributes, Feedback, ItemUpsert
from simulators.rows import feedback_of as sent


def row(
    number: int, rating: float | None = None, type_: str | None = None, item: str = "x"
) -> Interaction:
    return Interaction("u", item, 10**12 + number, rating, number, type_)


@pytest.mark.parametrize(
    ("rating", "type_", "act"),
    [
        (None, None, Act("click", None)),
        (5.0, None, Act("click", None)),
        (4.5, None, Act("rating", 4.5)),
        (5.0, "rating", Act("rating", 5.0)),
        (30.0, "dwell", Act("dwell", 30.0)),
        (None, "purchase", Act("purchase", None)),
    ],
)
def test_what_a_row_says(rating: float | None, type_: str | None, act: Act) -> None:
    assert act_of(row(1, rating, type_), 5.0) == act


def test_learned_and_sent_are_the_same_event() -> None:
    """Else a file that was learned and is then replayed would count twice."""
    for one in (row(1, 3.0), row(2, 5.0), row(3, None), row(4, 30.0, "dwell")):
        ours, theirs = feedback_of(one, "file", 5.0), sent(one, "file", 5.0)
        assert ours == Feedback(
            event_id=theirs.event_id or "",
            user_id=theirs.user_id,
            ts_ms=one.ts_ms,
            type=theirs.type,
            item_id=theirs.item_id,
            value=theirs.value,
        )
        assert ours.event_id == f"file-{one.line}"


def test_an_item_enters_with_the_first_that_names_it_and_the_rest_at_last() -> None:
    rows = [row(1, item="b"), row(2, item="c"), row(3, item="b"), row(4, item="a")]
    items: dict[str, Attributes] = {
        "a": {"genre": "x"},
        "b": {"genre": "y"},
        "never": {"genre": "z"},
    }
    found = list(with_items(rows, items, "file"))
    assert [one for one in found if isinstance(one, Interaction)] == rows
    said = [
        (place, one.event_id, one.item_id, one.ts_ms - 10**12, one.attributes)
        for place, one in enumerate(found)
        if isinstance(one, ItemUpsert)
    ]
    assert said == [
        (0, "file-item-2", "b", 1, {"genre": "y"}),
        (4, "file-item-1", "a", 4, {"genre": "x"}),
        (6, "file-item-3", "never", 4, {"genre": "z"}),
    ]


def test_items_alone() -> None:
    (only,) = with_items([], {"a": {}}, "file")
    assert only == ItemUpsert(event_id="file-item-1", ts_ms=0, item_id="a")
