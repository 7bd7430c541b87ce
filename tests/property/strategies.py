"""Hypothesis strategies for everything that a log may hold; all of it passes ``validate``."""

from hypothesis import strategies as st

from recsys.events import (
    FEEDBACK_TYPES,
    MAX_NUMBER,
    Adopt,
    Attributes,
    Context,
    Decision,
    Event,
    Feedback,
    ItemRemove,
    ItemUpsert,
    Slot,
    UserErase,
    digest_of,
)
from recsys.ids import MAX_ID_BYTES

__all__ = [
    "adopts",
    "attributes",
    "contexts",
    "decisions",
    "events",
    "feedbacks",
    "ids",
    "item_removes",
    "item_upserts",
    "numbers",
    "slots",
    "timestamps",
    "user_erases",
]

_MAX_TS_MS = 253_402_300_799_999  # the last millisecond of the year 9999


def ids() -> st.SearchStrategy[str]:
    """Ids of strangers: any script, any punctuation, no control character, up to 256 bytes."""
    text = st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
        min_size=1,
        max_size=40,
    )
    return text.filter(lambda value: len(value.encode()) <= MAX_ID_BYTES)


def numbers() -> st.SearchStrategy[float]:
    """Finite numbers within the limit, the smallest and -0.0 among them."""
    return st.floats(-MAX_NUMBER, MAX_NUMBER)


def timestamps() -> st.SearchStrategy[int]:
    return st.integers(0, _MAX_TS_MS)


def contexts() -> st.SearchStrategy[Context]:
    return st.dictionaries(ids(), st.one_of(ids(), st.booleans(), numbers()), max_size=4)


def attributes() -> st.SearchStrategy[Attributes]:
    values = st.one_of(ids(), st.booleans(), numbers(), st.lists(ids(), max_size=3))
    return st.dictionaries(ids(), values, max_size=4)


def slots() -> st.SearchStrategy[Slot]:
    propensities = st.floats(0.0, 1.0, exclude_min=True)
    return st.builds(Slot, ids(), propensities, numbers(), st.binary(max_size=8))


def decisions(
    event_ids: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[Decision]:
    return st.builds(
        Decision,
        event_id=event_ids or ids(),
        user_id=ids(),
        ts_ms=timestamps(),
        slots=st.lists(slots(), max_size=3).map(tuple),
        policy=ids(),
        context=contexts(),
        model_sequence=st.integers(0, 2**53),
        threshold=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        fallback=st.booleans(),
    )


def feedbacks(
    event_ids: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[Feedback]:
    return st.builds(
        Feedback,
        event_id=event_ids or ids(),
        user_id=ids(),
        ts_ms=timestamps(),
        type=st.sampled_from(FEEDBACK_TYPES),
        item_id=ids(),
        value=st.none() | numbers(),
        decision_id=st.none() | ids(),
        context=contexts(),
    )


def item_upserts(
    event_ids: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[ItemUpsert]:
    return st.builds(
        ItemUpsert,
        event_id=event_ids or ids(),
        ts_ms=timestamps(),
        item_id=ids(),
        attributes=attributes(),
    )


def item_removes(
    event_ids: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[ItemRemove]:
    return st.builds(ItemRemove, event_id=event_ids or ids(), ts_ms=timestamps(), item_id=ids())


def adopts(event_ids: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Adopt]:
    return st.builds(
        lambda event_id, record, **others: Adopt(
            event_id=event_id, record=record, digest=digest_of(record), **others
        ),
        event_id=event_ids or ids(),
        record=st.binary(max_size=64),
        ts_ms=timestamps(),
        version=st.integers(1, 2**53),
        choices=st.integers(0, 2**53),
        loss=numbers(),
        baseline=numbers(),
    )


def user_erases(event_ids: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[UserErase]:
    return st.builds(UserErase, event_id=event_ids or ids(), user_id=ids(), ts_ms=timestamps())


def events(event_ids: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Event]:
    """Any valid event.

    Parameters
    ----------
    event_ids
        Where the ids of the events come from; any id when left out.
    """
    return st.one_of(
        feedbacks(event_ids),
        decisions(event_ids),
        item_upserts(event_ids),
        item_removes(event_ids),
        adopts(event_ids),
        user_erases(event_ids),
    )
