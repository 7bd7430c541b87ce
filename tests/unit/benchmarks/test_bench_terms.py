"""Each term, kept and broken."""

from collections.abc import Sequence

import msgspec
import pytest

from benchmarks.ordeals import Ordeal
from benchmarks.probes import Answer
from benchmarks.terms import (
    broken_outages,
    broken_while_full,
    broken_while_stopped,
    to_be_told,
)

PAUSE = Ordeal("pause", shard=1, lasts_s=30.0)
QUOTA = Ordeal("quota", shard=0, lasts_s=10.0)
FREED_S = 40.0

IN_TIME = Answer(11.0, 16.0, 503, retry_after=True, detail="its store cannot write")
LATE = Answer(38.0, 40.1, 200)
SERVED = Answer(38.0, 39.9, 200)
RUDE = msgspec.structs.replace(IN_TIME, retry_after=False)
FAULT = msgspec.structs.replace(IN_TIME, status=500)
HUNG = Answer(11.0, 19.0, 0, detail="ReadTimeout")
MUTE = msgspec.structs.replace(IN_TIME, detail="it did not answer in time")


def test_a_shard_that_is_stopped_answers_when_it_goes_on() -> None:
    assert broken_while_stopped(PAUSE, [IN_TIME, LATE], [IN_TIME, LATE], FREED_S) == []


@pytest.mark.parametrize(
    ("lists", "acks", "found"),
    [
        ([IN_TIME, SERVED], [IN_TIME], "somebody served"),
        ([IN_TIME], [IN_TIME, msgspec.structs.replace(SERVED, status=202)], "somebody served"),
        ([LATE], [IN_TIME], "no lists were refused"),
        ([IN_TIME], [], "no acks were refused"),
        ([IN_TIME, RUDE], [IN_TIME], "lists were refused otherwise"),
        ([IN_TIME], [IN_TIME, FAULT], "acks were refused otherwise"),
        ([IN_TIME, HUNG], [IN_TIME], "lists took longer"),
    ],
)
def test_what_may_not_be_while_a_shard_is_stopped(
    lists: Sequence[Answer], acks: Sequence[Answer], found: str
) -> None:
    assert found in "; ".join(broken_while_stopped(PAUSE, lists, acks, FREED_S))


def test_a_short_stop_may_pass_without_a_refusal() -> None:
    short = Ordeal("pause", lasts_s=3.0)
    assert broken_while_stopped(short, [LATE], [LATE], FREED_S) == []


def test_when_the_gateway_dies_too_there_may_be_other_words() -> None:
    both = msgspec.structs.replace(PAUSE, meanwhile="gateway")
    assert broken_while_stopped(both, [FAULT, HUNG, LATE], [LATE], FREED_S) == []
    assert broken_while_stopped(both, [SERVED], [LATE], FREED_S) != []


def test_lists_go_on_while_a_shard_cannot_write() -> None:
    assert broken_while_full(QUOTA, [SERVED], [IN_TIME, LATE], FREED_S) == []


@pytest.mark.parametrize(
    ("lists", "acks", "found"),
    [
        ([SERVED], [IN_TIME, SERVED], "cannot have been written"),
        ([SERVED], [IN_TIME, MUTE], "was not said"),
        ([SERVED, IN_TIME], [IN_TIME], "lists were refused"),
        ([SERVED], [LATE], "no acks were refused"),
        ([SERVED], [RUDE], "acks were refused otherwise"),
    ],
)
def test_what_may_not_be_while_a_shard_cannot_write(
    lists: Sequence[Answer], acks: Sequence[Answer], found: str
) -> None:
    assert found in "; ".join(broken_while_full(QUOTA, lists, acks, FREED_S))


@pytest.mark.parametrize(
    ("ordeal", "outage_s", "others_s", "wrong"),
    [
        (Ordeal("gateway"), 14.0, 0.0, 0),
        (Ordeal("gateway"), 16.0, 0.0, 1),
        (Ordeal("controller"), 2.0, 0.0, 1),
        (PAUSE, 34.0, 1.0, 0),
        (PAUSE, 36.0, 2.0, 2),
        (msgspec.structs.replace(PAUSE, meanwhile="gateway"), 49.0, 10.0, 0),
        (msgspec.structs.replace(PAUSE, meanwhile="gateway"), 51.0, 10.0, 1),
        (QUOTA, 2.0, 0.0, 1),
    ],
)
def test_outages_have_limits(ordeal: Ordeal, outage_s: float, others_s: float, wrong: int) -> None:
    assert len(broken_outages(ordeal, outage_s, others_s)) == wrong


def test_what_an_operator_must_read() -> None:
    assert to_be_told(QUOTA) == ["shard 0: it takes no events", "shard 0 is well again"]
    assert to_be_told(PAUSE) == ["shard 1 is unavailable", "shard 1 answers again"]
    assert to_be_told(Ordeal("pause", lasts_s=7.0)) == []
    assert to_be_told(Ordeal("gateway")) == []
