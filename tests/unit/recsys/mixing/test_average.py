"""Rankers are brought together, each report once."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.arrays import pack_array
from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord, IncompatibleState
from recsys.mixing.average import Answer, Averager, Ranking
from recsys.mixing.report import RankerReport, RankerShift, seal_shift, vector_of
from recsys.settings import FTRLSettings, LearnerSettings
from tests.mixing import SETTINGS, Fleet


class Shard:
    """A ranker of two weights."""

    def __init__(self) -> None:
        self.weights = np.zeros(2, np.float32)
        self.statistics = np.zeros(1, np.float32)
        self.version = self.choices = 0

    def learn(self, move: Sequence[float], choices: int) -> None:
        self.weights += np.array(move, np.float32)
        self.choices += choices

    def ranking(self, kind: str = "k") -> Ranking:
        report = RankerReport(kind, pack_array(self.weights), pack_array(self.statistics))
        return Ranking(self.version, self.choices, pack(report))

    def take(self, answer: Answer) -> None:
        assert answer.version == self.version + 1
        shift = unpack(answer.record, RankerShift)
        self.version = answer.version
        self.weights += vector_of(shift.weights)
        self.statistics += vector_of(shift.statistics)


def exchange(averager: Averager, shards: dict[str, Shard]) -> None:
    for name, shard in shards.items():
        averager.take(name, shard.ranking())
    for name, answer in averager.round().items():
        shards[name].take(answer)


@pytest.fixture
def shards() -> dict[str, Shard]:
    return {name: Shard() for name in "ab"}


def weights_of(shards: dict[str, Shard]) -> list[NDArray[np.float32]]:
    return [shard.weights for shard in shards.values()]


def test_all_get_the_same_and_keep_what_they_learned_meanwhile(shards: dict[str, Shard]) -> None:
    averager = Averager()
    shards["a"].learn((1.0, 0.0), 30)
    shards["b"].learn((0.0, 1.0), 10)
    for name, shard in shards.items():
        averager.take(name, shard.ranking())
    answers = averager.round()
    shards["a"].learn((0.0, 8.0), 1)
    for name, answer in answers.items():
        shards[name].take(answer)
    np.testing.assert_allclose(shards["b"].weights, (0.75, 0.25), rtol=1e-3)
    np.testing.assert_allclose(shards["a"].weights, (0.75, 8.25), rtol=1e-3)


def test_who_learned_nothing_does_not_hold_the_others_back(shards: dict[str, Shard]) -> None:
    averager = Averager()
    exchange(averager, shards)
    shards["a"].learn((1.0, 2.0), 5)
    exchange(averager, shards)
    for weights in weights_of(shards):
        np.testing.assert_allclose(weights, (1.0, 2.0), rtol=1e-3)
    assert averager.round() == {}


def test_a_report_is_answered_once(shards: dict[str, Shard]) -> None:
    averager = Averager()
    shards["a"].learn((1.0, 0.0), 3)
    averager.take("a", shards["a"].ranking())
    assert set(averager.round()) == {"a"}
    assert averager.round() == {}


def test_an_answer_that_got_lost_is_made_again(shards: dict[str, Shard]) -> None:
    averager = Averager()
    for _ in range(3):
        shards["a"].learn((1.0, 0.0), 3)
        shards["b"].learn((0.0, 1.0), 3)
        for name, shard in shards.items():
            averager.take(name, shard.ranking())
        answers = averager.round()
        shards["b"].take(answers["b"])
    exchange(averager, shards)
    shards["a"].learn((1.0, 1.0), 3)
    exchange(averager, shards)
    first, second = weights_of(shards)
    np.testing.assert_allclose(first, second, rtol=1e-2)


def test_rankers_of_another_kind_are_left_alone(shards: dict[str, Shard]) -> None:
    averager = Averager()
    shards["a"].learn((1.0, 0.0), 30)
    shards["b"].learn((0.0, 1.0), 10)
    averager.take("a", shards["a"].ranking())
    averager.take("b", shards["b"].ranking("other"))
    assert set(averager.round()) == {"a"}


def test_damage_is_refused() -> None:
    record = Shard().ranking().record
    with pytest.raises(CorruptRecord):
        Averager().take("a", Ranking(0, 1, record[:-1]))
    infinite = RankerReport("k", pack_array(np.zeros(1)), pack_array(np.zeros((1, 1))))
    with pytest.raises(CorruptRecord, match="shape"):
        Averager().take("a", Ranking(0, 1, pack(infinite)))


def test_a_shift_takes_effect_on_the_version_that_was_reported() -> None:
    fleet = Fleet(1)
    [engine] = fleet.engines.values()
    ranking = engine.mix.ranking()
    assert ranking is not None
    report = unpack(ranking.record, RankerReport)
    weights, statistics = vector_of(report.weights), vector_of(report.statistics)
    record = seal_shift(report.kind, np.full_like(weights, 0.5), np.zeros_like(statistics))
    for version in (2, 1, 1):
        engine.apply([engine.mix.averaged(Answer(version, record))])
    assert engine.mix.position.refused == 2
    after = engine.mix.ranking()
    assert after is not None
    assert after.version == 1
    moved = vector_of(unpack(after.record, RankerReport).weights)
    np.testing.assert_allclose(moved, weights + 0.5, rtol=1e-6)
    wrong = seal_shift("another", np.zeros_like(weights), np.zeros_like(statistics))
    with pytest.raises(IncompatibleState, match="other features"):
        engine.state.learner.shift(wrong)
    assert np.array_equal(
        vector_of(unpack(engine.state.learner.report() or b"", RankerReport).weights), moved
    )


def test_rankers_that_learn_from_examples_come_together_and_learn_nothing_twice() -> None:
    learners = LearnerSettings(ranker="ftrl", ftrl=FTRLSettings(bits=12, rate=0.1))
    catalogue = SETTINGS.catalogue.model_copy(update={"repeats": True})
    changes = {"learners": learners, "catalogue": catalogue}
    fleet = Fleet(2, SETTINGS.model_copy(update=changes))

    def live(steps: int) -> list[NDArray[np.float32]]:
        for step in range(steps):
            fleet.ask(f"u{step % 9}")
            fleet.click(f"u{step % 9}", 0)
        return weights()

    def weights() -> list[NDArray[np.float32]]:
        reports = [engine.state.learner.report() for engine in fleet.engines.values()]
        return [vector_of(unpack(one or b"", RankerReport).weights) for one in reports]

    for _ in range(3):
        one, other = live(40)
        assert np.abs(one - other).max() > 1e-2
        fleet.mix(rankers=True)
        one, other = weights()
        np.testing.assert_allclose(one, other, atol=1e-3)
    assert [engine.mix.position.refused for engine in fleet.engines.values()] == [0, 0]
    # What comes after a report stays, and is not taught again.
    reported = live(20)
    for name, engine in fleet.engines.items():
        fleet.mixer.hear(engine.mix.position)
        fleet.mixer.take(name, [], engine.mix.ranking())
    answers = fleet.mixer.rankers()
    learned = live(20)
    for name, engine in fleet.engines.items():
        engine.apply([engine.mix.averaged(answers[name])])
    for after, before, then, answer in zip(
        weights(), learned, reported, answers.values(), strict=True
    ):
        moves = vector_of(unpack(answer.record, RankerShift).weights)
        assert np.abs(before - then).max() > 1e-2
        np.testing.assert_allclose(after, before + moves, atol=1e-5)
    for name in list(fleet.engines):
        known = fleet.engines[name].fingerprint()
        fleet.crash(name)
        assert fleet.engines[name].fingerprint() == known


def test_rankers_of_engines_come_together() -> None:
    fleet = Fleet(2)
    for step in range(60):
        fleet.find(f"u{step % 9}", step % 12)
        fleet.find(f"u{step % 9}", (step * 5 + 1) % 12)
    for _ in range(3):
        fleet.mix(rankers=True)
    found = [
        vector_of(unpack(engine.state.learner.report() or b"", RankerReport).weights)
        for engine in fleet.engines.values()
    ]
    assert np.abs(found[0]).max() > 0.0
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
