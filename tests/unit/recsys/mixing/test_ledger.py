"""Own lessons: bounded, in order, and gone when all others have them."""

import pytest

from recsys.mixing.ledger import Ledger, drawn
from recsys.mixing.lessons import Click, Like, Show


def like(sequence: int, person: int = 0) -> Like:
    return Like(sequence, person, 1, sequence, 1.0, 0, (), ())


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(bound=100, keep_ms=1000.0)
    ledger.begin("a", 0, learned=False)
    return ledger


def test_too_many_lessons_are_thinned_and_count_for_those_that_go(ledger: Ledger) -> None:
    for sequence in range(1, 4001):
        ledger.like(like(sequence))
    assert len(ledger.likes) <= 100
    assert ledger.thinned == 4000 - len(ledger.likes)
    assert [one.sequence for one in ledger.likes] == sorted(one.sequence for one in ledger.likes)
    assert sum(one.weight for one in ledger.likes) == pytest.approx(4000, rel=0.5)
    # Old ones have the same chance to stay as new ones.
    assert len({one.weight for one in ledger.likes}) == 1
    assert 1000 < sum(one.sequence for one in ledger.likes) / len(ledger.likes) < 3000


def test_once_they_have_gone_out_all_are_kept_again(ledger: Ledger) -> None:
    for sequence in range(1, 1001):
        ledger.like(like(sequence))
    ledger.release(1000)
    for sequence in range(1001, 1051):
        ledger.like(like(sequence))
    assert [one.weight for one in ledger.likes] == [1.0] * 50


def test_thinning_leaves_what_was_taken_before_as_it_was(ledger: Ledger) -> None:
    for sequence in range(1, 101):
        ledger.like(like(sequence))
    taken = list(ledger.likes)
    ledger.like(like(101))
    assert {one.weight for one in taken} == {1.0}
    assert {one.weight for one in ledger.likes} == {2.0}


def test_lots_are_fair_and_fall_the_same_each_time() -> None:
    drawn_once = [drawn(sequence, 0.3, 7) for sequence in range(10_000)]
    assert drawn_once == [drawn(sequence, 0.3, 7) for sequence in range(10_000)]
    assert sum(drawn_once) == pytest.approx(3000, rel=0.05)
    assert all(drawn(sequence, 1.0, 7) for sequence in range(100))


def test_released_lessons_go(ledger: Ledger) -> None:
    for sequence in range(1, 11):
        ledger.like(like(sequence))
        ledger.show(Show(sequence, 0, sequence, (1,)))
        ledger.click(Click(sequence, 0, 1, sequence, (1,), (1.0,), ()))
    ledger.release(7)
    assert (ledger.waiting, ledger.released) == (9, 7)
    ledger.release(3)
    assert (ledger.waiting, ledger.released) == (9, 7)


def test_lessons_of_a_person_go_when_they_are_erased(ledger: Ledger) -> None:
    for sequence in range(1, 5):
        ledger.like(like(sequence, person=sequence % 2))
        ledger.show(Show(sequence, sequence % 2, sequence, (1,)))
    ledger.erase(1)
    assert {one.person for one in ledger.likes} == {one.person for one in ledger.shows} == {0}


def test_a_snapshot_goes_on_as_if_nothing_had_happened(ledger: Ledger) -> None:
    ledger.vector["b"] = 9
    ledger.keep(5, 400)
    ledger.click(Click(3, 0, 1, 3, (1,), (1.0,), (2, 3)))
    for sequence in range(1, 120):
        ledger.like(like(sequence))
    other = Ledger(bound=100, keep_ms=1000.0)
    other.restore(ledger.snapshot())
    for each in (ledger, other):
        for sequence in range(120, 300):
            each.like(like(sequence))
    assert other.snapshot() == ledger.snapshot()


def test_what_a_snapshot_contains_need_not_be_kept_for_ever(ledger: Ledger) -> None:
    for sequence, ts_ms in ((1, 0), (2, 500), (3, 1000), (4, 1600)):
        ledger.keep(sequence, ts_ms)
    assert ledger.contained(snapshot=4, now_ms=1600) == [1, 2]
    assert ledger.contained(snapshot=1, now_ms=1600) == [1]
    ledger.keep(5, 2600)
    assert [sequence for sequence, _ in ledger.records] == [3, 4, 5]
