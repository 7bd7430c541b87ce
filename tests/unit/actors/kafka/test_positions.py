"""Where to go on, and which partitions cannot."""

import pytest

from actors.kafka.base import Partition, Span, Topic
from actors.kafka.positions import EARLIEST, LATEST, Plan, mark_name, partitions_of, plan
from tests.unit.actors.kafka.fakes import SETTINGS

ONE = Partition("t", 3)
TOPICS = {"t": Topic(4, 77)}


def planned(stored: dict[str, int], span: Span, *, latest: bool = False) -> Plan:
    return plan([ONE], stored, TOPICS, {ONE: span}, frozenset({"t"} if latest else ()))


def test_shards_read_their_own_feedback_and_the_whole_catalogue() -> None:
    names = SETTINGS.kafka.topics
    assert partitions_of([1, 3], SETTINGS, catalogue=2) == [
        Partition(names.feedback, 1),
        Partition(names.feedback, 3),
        Partition(names.catalogue, 0),
        Partition(names.catalogue, 1),
    ]


@pytest.mark.parametrize(("latest", "at"), [(False, 5), (True, 9)])
def test_a_partition_that_was_never_read_begins_where_the_settings_say(
    latest: bool, at: int
) -> None:
    made = planned({}, Span(5, 9), latest=latest)
    assert made == Plan({ONE: at}, {}, {"t-3": at, "t-3#topic": 77})


def test_a_partition_goes_on_where_the_store_says() -> None:
    made = planned({"t-3": 7, mark_name(ONE): 77}, Span(5, 9), latest=True)
    assert made == Plan({ONE: 7}, {}, {})
    assert planned({"t-3": 7}, Span(5, 9)).positions == {"t-3#topic": 77}


@pytest.mark.parametrize(
    ("stored", "span", "cause", "missing"),
    [
        ({"t-3": 4}, Span(5, 9), "retention", (4, 5)),
        ({"t-3": 10}, Span(5, 9), "beyond_end", (9, 10)),
        ({"t-3": 7, "t-3#topic": 76}, Span(5, 9), "recreated", (7, 7)),
        ({"t-3": 0, "t-3#topic": 76}, Span(0, 0), "recreated", (0, 0)),
    ],
)
def test_what_is_not_there_is_a_gap_of_exactly_that(
    stored: dict[str, int], span: Span, cause: str, missing: tuple[int, int]
) -> None:
    made = planned(stored, span)
    assert (made.starts, made.positions) == ({}, {})
    gap = made.gaps[ONE]
    assert (gap.cause, (gap.missing_from, gap.missing_to)) == (cause, missing)
    assert "data_gap in t-3" in str(gap)
    assert "recsys kafka reset-offsets" in str(gap)


@pytest.mark.parametrize("at", [5, 9])
def test_both_ends_can_be_read_from(at: int) -> None:
    assert planned({"t-3": at, "t-3#topic": 77}, Span(5, 9)).starts == {ONE: at}


@pytest.mark.parametrize(("word", "at"), [(EARLIEST, 5), (LATEST, 9)])
def test_the_operators_word_counts_for_whatever_topic_it_is(word: int, at: int) -> None:
    made = planned({"t-3": word, "t-3#topic": 76}, Span(5, 9))
    assert made == Plan({ONE: at}, {}, {"t-3": at, "t-3#topic": 77})
    assert planned({"t-3": 6, "t-3#topic": 0}, Span(5, 9)).starts == {ONE: 6}
