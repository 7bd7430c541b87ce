"""The forgetting meter: a fair slice, asked in turn, never replayed, and in the snapshot."""

import itertools

import pytest
from typing_extensions import override

from recsys.errors import CorruptRecord
from recsys.features.base import Choice
from recsys.learners.listwise import ListwiseRanker
from recsys.memory.forgetting import ForgettingMeter
from recsys.settings import ListwiseSettings, MeterSettings
from tests.engines import asked, engine_with, feedback, items


class Told(ListwiseRanker):
    """A ranker whose loss is the number of the choice, plus what the test says it forgot."""

    def __init__(self) -> None:
        super().__init__(ListwiseSettings(start={}), ["mix"], [], 1)
        self.forgot = 0.0
        self.questions = list[int]()

    @override
    def loss(self, choice: Choice) -> float | None:
        self.questions.append(choice.user)
        return choice.user + self.forgot


def choice(number: int) -> Choice:
    return Choice(number, b"", b"", 2, 0)


def meter(learner: ListwiseRanker, *, seed: int = 1, **settings: int) -> ForgettingMeter:
    return ForgettingMeter(
        MeterSettings(**{"slice": 5, "every": 1, "period": 200} | settings), learner, seed
    )


def told(one: ForgettingMeter, first: int, last: int) -> list[int]:
    """Take in choices whose loss is their number; returns those that are held out."""
    return [number for number in range(first, last) if one.take(choice(number), float(number))]


def test_one_of_each_part_of_a_stretch_is_held_out() -> None:
    held = told(meter(Told()), 0, 50)
    assert [number // 10 for number in held] == [0, 1, 2, 3, 4]


def test_the_lot_is_fair() -> None:
    places = [told(meter(Told(), seed=seed), 0, 10)[0] for seed in range(400)]
    assert {places.count(place) > 15 for place in range(10)} == {True}


def test_stretches_double_up_to_the_period() -> None:
    held = told(meter(Told()), 0, 900)
    ends = (0, 50, 100, 200, 400, 600, 800)
    for begin, end in itertools.pairwise(ends):
        assert len([number for number in held if begin <= number < end]) == 5


def test_the_slice_before_is_asked_in_turn_and_its_mean_is_told() -> None:
    learner = Told()
    one = meter(learner)
    held = told(one, 0, 50)
    assert one.stats.old_loss is None
    assert learner.questions == []
    learner.forgot = 2.0
    told(one, 50, 55)
    assert learner.questions == held
    mean = sum(held) / 5
    assert one.stats.old_loss_when_new == pytest.approx(mean)
    assert one.stats.old_loss == pytest.approx(mean + 2.0)
    assert one.stats.old_choices == 5


def test_a_new_slice_has_no_figures_before_it_was_asked() -> None:
    one = meter(Told())
    told(one, 0, 100)
    assert one.stats.old_loss is not None
    told(one, 100, 101)
    assert one.stats.old_loss is None


def test_few_questions_are_asked() -> None:
    learner = Told()
    told(meter(learner, every=7), 0, 50 + 70)
    assert len(learner.questions) == 10


def test_the_recent_loss_follows_the_latest_choices() -> None:
    one = meter(Told())
    for _ in range(40):
        one.take(choice(1), 4.0)
    assert one.stats.recent_loss == pytest.approx(4.0)
    for _ in range(40):
        one.take(choice(1), 1.0)
    assert one.stats.recent_loss == pytest.approx(1.0, abs=0.01)


def test_without_a_slice_nothing_is_measured() -> None:
    one = meter(Told(), slice=0)
    assert told(one, 0, 100) == []
    assert one.stats.recent_loss is None


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    one, other = meter(Told()), meter(Told())
    told(one, 0, 73)
    other.restore(one.snapshot())
    assert told(one, 73, 300) == told(other, 73, 300)
    assert one.snapshot() == other.snapshot()
    assert one.stats == other.stats


def test_a_damaged_snapshot_is_refused() -> None:
    record = bytearray(meter(Told()).snapshot())
    record[-1] ^= 1
    with pytest.raises(CorruptRecord):
        meter(Told()).restore(bytes(record))


def test_an_engine_measures_what_it_learned_and_does_not_replay_it() -> None:
    engine = engine_with(items(12))
    for number in range(12):
        shown = asked(engine, "u", f"d{number}", 1000 * number + 1000, n=4).slots
        if len(shown) > 1:
            click = feedback("u", shown[1].item_id, 1000 * number + 1500, decision_id=f"d{number}")
            engine.apply([click])
    stats = engine.stats()
    assert engine.state.counters.choices == 11
    assert stats.memory.recent_loss is not None
    assert 0.3 < stats.memory.recent_loss < 2.5
    # Of the first ten, one is held out, of the eleventh and those after it another one.
    assert stats.replay_size in {9, 10}


def test_an_erased_persons_choices_are_asked_no_more() -> None:
    learner = Told()
    one = meter(learner)
    held = told(one, 0, 57)
    gone, gathering = held[2], held[5]
    learner.questions.clear()
    one.erase(gone)
    one.erase(gathering)
    told(one, 57, 70)
    assert set(learner.questions) == set(held[:5]) - {gone}
    stats = one.stats
    assert stats.old_choices == 4
    again = meter(learner)
    again.restore(one.snapshot())
    assert again.snapshot() == one.snapshot()
    for number in held[:5]:
        one.erase(number)
    learner.questions.clear()
    told(one, 70, 80)
    assert learner.questions == []
