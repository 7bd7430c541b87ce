"""What a broker's answers tell of damage, and what only looks like it."""

import pytest

from actors.kafka.base import Partition, PartitionStuck
from actors.kafka.damage import Given, Inspection

WHOLE = Partition("feedback", 0)
OTHER = Partition("feedback", 1)
COMPACTED = Partition("catalogue", 0)
WITHHELD_S = 60.0


class Watched:
    """An inspection whose clock is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.inspection = Inspection("feedback", WITHHELD_S, lambda: self.now)

    def see(self, *answer: Given) -> PartitionStuck | None:
        self.inspection.look(answer)
        try:
            self.inspection.check()
        except PartitionStuck as stuck:
            return stuck
        return None

    def nothing(self, place: Partition, asked: int, stable: int) -> PartitionStuck | None:
        return self.see(Given(place, asked, 0, stable, b""))


def batch(first: int) -> bytes:
    return first.to_bytes(8) + bytes(60)


def test_a_broker_that_cannot_read_its_log_is_heard() -> None:
    watched = Watched()
    stuck = watched.see(Given(OTHER, 0, 0, 0, b""), Given(WHOLE, 3, 2, -1, b""))
    assert stuck is not None
    assert (stuck.partition, stuck.why) == (WHOLE, "damaged")
    assert watched.see() is None, "it is told once"


def test_other_errors_are_not_ours() -> None:
    watched = Watched()
    for code in (1, 3, 6, 29, -1):
        assert watched.see(Given(WHOLE, 3, code, -1, b"")) is None


@pytest.mark.parametrize("place", [WHOLE, COMPACTED])
def test_the_end_is_no_damage_however_long_nothing_comes(place: Partition) -> None:
    watched = Watched()
    for _ in range(10):
        assert watched.nothing(place, 5, 5) is None
        watched.now += WITHHELD_S


def test_nothing_of_what_there_is_is_told_after_a_while() -> None:
    watched = Watched()
    for _ in range(100):
        assert watched.nothing(WHOLE, 3, 5) is None
        watched.now += WITHHELD_S / 101
    watched.now += WITHHELD_S / 50
    stuck = watched.nothing(WHOLE, 3, 5)
    assert stuck is not None
    assert (stuck.partition, stuck.why) == (WHOLE, "withheld")


def test_two_empty_answers_are_too_few_however_far_apart() -> None:
    watched = Watched()
    assert watched.nothing(WHOLE, 3, 5) is None
    watched.now += 10 * WITHHELD_S
    assert watched.nothing(WHOLE, 3, 5) is None
    assert watched.nothing(WHOLE, 3, 5) is not None


@pytest.mark.parametrize("between", [Given(WHOLE, 3, 0, 5, batch(3)), Given(WHOLE, 5, 0, 5, b"")])
def test_whatever_comes_meanwhile_begins_it_anew(between: Given) -> None:
    watched = Watched()
    for _ in range(5):
        for _ in range(3):
            assert watched.nothing(WHOLE, 3, 5) is None
            watched.now += WITHHELD_S / 4
        assert watched.see(between) is None


def test_another_place_begins_it_anew() -> None:
    watched = Watched()
    for asked in range(10):
        for _ in range(3):
            assert watched.nothing(WHOLE, asked, 20) is None
            watched.now += WITHHELD_S / 4


def test_what_finds_no_room_behind_others_is_not_withheld() -> None:
    watched = Watched()
    for _ in range(10):
        full, left = Given(OTHER, 3, 0, 9, batch(3)), Given(WHOLE, 3, 0, 5, b"")
        assert watched.see(full, left) is None
        watched.now += WITHHELD_S
    for _ in range(2):
        assert watched.see(left, full) is None
    stuck = watched.see(left, full)
    assert stuck is None, "the time counts from the first answer that says something"
    watched.now += WITHHELD_S
    stuck = watched.see(left, full)
    assert stuck is not None
    assert stuck.partition == WHOLE


def test_compaction_may_leave_nothing_at_the_end() -> None:
    watched = Watched()
    for _ in range(10):
        assert watched.nothing(COMPACTED, 3, 5) is None
        watched.now += WITHHELD_S
    stuck = watched.nothing(COMPACTED, 3, 6)
    assert stuck is not None, "what was written since cannot have been compacted"
    assert stuck.why == "withheld"


def test_offsets_that_are_left_out_are_told_where_none_may_be() -> None:
    watched = Watched()
    stuck = watched.see(Given(WHOLE, 3, 0, 9, batch(5)))
    assert stuck is not None
    assert (stuck.partition, stuck.why, stuck.goes_on) == (WHOLE, "skipped", 5)
    assert str(stuck) == "feedback-0 leaves out what is before offset 5"
    assert watched.see(Given(COMPACTED, 3, 0, 9, batch(5))) is None
    # A batch is sent whole, though only its end was asked for.
    assert watched.see(Given(WHOLE, 3, 0, 9, batch(1))) is None
    assert watched.see(Given(WHOLE, 3, 0, 9, batch(3))) is None


def test_what_is_forgotten_is_not_told() -> None:
    watched = Watched()
    watched.inspection.look([Given(WHOLE, 3, 2, -1, b"")])
    for _ in range(2):
        watched.inspection.look([Given(OTHER, 3, 0, 5, b"")])
    watched.now += WITHHELD_S
    watched.inspection.forget()
    assert watched.nothing(OTHER, 3, 5) is None
