"""Lessons on the wire: what is written is read, and what is damaged is refused."""

import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.codec import open_record, seal_record
from recsys.errors import CorruptRecord
from recsys.mixing.lessons import Click, Lessons, Like, Show, TasteSums
from recsys.mixing.wire import open_lessons, seal_lessons

HISTORY = 4
N_ITEMS = 5
times = st.integers(0, 4_000_000_000_000)
items = st.integers(0, N_ITEMS - 1)
weights = st.sampled_from([1.0, 2.0, 1.7])
strengths = st.floats(0.001, 1.0)
numbers = st.floats(-1e6, 1e6)


@st.composite
def people_liking(draw: st.DrawFn) -> list[Like]:
    """Return likes of a few people, each of whom goes on from what they liked before."""
    pasts = dict[int, tuple[list[int], list[int]]]()
    out = list[Like]()
    for sequence in range(draw(st.integers(0, 12))):
        person = draw(st.integers(0, 2))
        known, at = pasts.setdefault(person, ([], []))
        if draw(st.integers(0, 5)) == 0:
            # What nobody told: they came from another shard, or forgot.
            known[:] = draw(st.lists(items, max_size=HISTORY))
            at[:] = draw(st.lists(times, min_size=len(known), max_size=len(known)))
        again = bool(known) and draw(st.integers(0, 3)) == 0
        item = known[-1] if again else draw(items)
        ts_ms = draw(times)
        past, past_times = (known[:-1], at[:-1]) if again else (known, at)
        out.append(
            Like(
                sequence,
                person,
                item,
                ts_ms,
                draw(strengths),
                -1 if again else len(known),
                tuple(past[-HISTORY:]),
                tuple(past_times[-HISTORY:]),
                draw(weights),
            )
        )
        if not again:
            known.append(item)
            at.append(ts_ms)
    return out


shows = st.builds(
    Show,
    st.just(0),
    st.just(0),
    times,
    st.lists(items, max_size=4).map(tuple),
    weights,
)


@st.composite
def clicking(draw: st.DrawFn) -> Click:
    listed = draw(st.lists(st.tuples(items, st.floats(0, 1)), max_size=4))
    return Click(
        0,
        0,
        draw(items),
        draw(times),
        tuple(item for item, _ in listed),
        tuple(share for _, share in listed),
        tuple(draw(st.lists(st.integers(0, 2**32), max_size=3))),
        draw(weights),
    )


tastes = st.builds(
    TasteSums,
    numbers,
    st.integers(0, 10**9),
    numbers,
    st.dictionaries(st.text(max_size=3), st.tuples(numbers, numbers), max_size=2),
)
batches = st.builds(
    Lessons,
    st.just([f"item {number}" for number in range(N_ITEMS)]),
    people_liking(),
    st.lists(shows, max_size=5),
    st.lists(clicking(), max_size=5),
    tastes,
)


def nameless(lessons: Lessons) -> Lessons:
    """Return what travels: neither where in the log nor of whom."""
    return Lessons(
        lessons.ids,
        [msgspec.structs.replace(one, sequence=0, person=0) for one in lessons.likes],
        lessons.shows,
        lessons.clicks,
        lessons.tastes,
    )


@settings(max_examples=300, deadline=None)
@given(lessons=batches)
def test_what_is_written_is_read(lessons: Lessons) -> None:
    record = seal_lessons(lessons, HISTORY)
    assert nameless(open_lessons(record)) == nameless(lessons)
    assert seal_lessons(lessons, HISTORY) == record


@settings(max_examples=200, deadline=None)
@given(lessons=batches, data=st.data())
def test_damage_is_refused(lessons: Lessons, data: st.DataObject) -> None:
    record = bytearray(seal_lessons(lessons, HISTORY))
    place = data.draw(st.integers(0, len(record) - 1))
    record[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptRecord):
        open_lessons(bytes(record))
    with pytest.raises(CorruptRecord):
        open_lessons(bytes(record[: data.draw(st.integers(0, len(record) - 1))]))


@settings(max_examples=300, deadline=None)
@given(lessons=batches, data=st.data())
def test_a_sound_record_of_nonsense_is_refused_or_within_bounds(
    lessons: Lessons, data: st.DataObject
) -> None:
    payload = bytearray(zlib.decompress(open_record(seal_lessons(lessons, HISTORY))))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = open_lessons(seal_record(zlib.compress(bytes(payload))))
    except CorruptRecord:
        return
    known = range(len(found.ids))
    for like in found.likes:
        assert {like.item, *like.items} <= {*known}
        assert len(like.items) == len(like.times_ms)
    for show in found.shows:
        assert {*show.items} <= {*known}
    for click in found.clicks:
        assert {click.item, *click.items} <= {*known}
        assert len(click.items) == len(click.shares)


def test_a_small_record_does_not_become_a_large_one() -> None:
    bomb = zlib.compress(b"\0" * (65 << 20))
    with pytest.raises(CorruptRecord, match="cut off, or longer"):
        open_lessons(seal_record(bomb))
