"""The hashed linear ranker: its formula, what it learns from and refuses, how it is averaged."""

import math
from collections import defaultdict
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.arrays import Packed, pack_array, unpack_array
from recsys.checks.learner import COLUMNS
from recsys.checks.world import make_world
from recsys.codec import pack, unpack
from recsys.errors import CorruptRecord, IncompatibleState
from recsys.features.base import Candidates, Example, narrow, widen
from recsys.learners.ftrl import FTRLRanker
from recsys.mixing.report import RankerReport, RankerShift, seal_shift, vector_of
from recsys.settings import FTRLSettings

WORLD = make_world()
N_FEATURES = len(COLUMNS)
NOTHING = np.zeros(0, np.float32)
HASTY = FTRLSettings(bits=12, rate=0.1)


def ranker(settings: FTRLSettings = HASTY) -> FTRLRanker:
    return FTRLRanker(settings, WORLD.catalogue, COLUMNS)


def taught(settings: FTRLSettings = HASTY, lessons: int = 60) -> FTRLRanker:
    learner = ranker(settings)
    for seed in range(lessons):
        learner.learn(WORLD.example(seed, N_FEATURES))
    return learner


def example(**changes: object) -> Example:
    return msgspec.structs.replace(WORLD.example(1, N_FEATURES), **changes)


def candidates_of(one: Example, *items: int) -> Candidates:
    rows = np.zeros((len(items), N_FEATURES), np.float32)
    return Candidates(one.user, one.context, np.array(items, np.int32), rows, NOTHING)


class ByName:
    """The same by names instead of hashes, in plain Python: McMahan et al. 2013, algorithm 1."""

    def __init__(self, settings: FTRLSettings) -> None:
        self.settings = settings
        self.pulls = defaultdict[object, float](float)
        self.squares = defaultdict[object, float](float)
        self.mean, self.variance = np.zeros(N_FEATURES), np.ones(N_FEATURES)
        self.lessons = 0

    def weight(self, name: object) -> float:
        pull, settings = self.pulls[name], self.settings
        if abs(pull) <= settings.l1:
            return 0.0
        beyond = pull - math.copysign(settings.l1, pull)
        grown = (settings.beta + math.sqrt(self.squares[name])) / settings.rate
        return -beyond / (grown + settings.l2)

    def features(
        self, item: int, user: int, context: tuple[int, ...], row: NDArray[np.float32]
    ) -> Iterator[tuple[object, float]]:
        known = WORLD.catalogue[item] if item >= 0 else None
        yield ("item", known.item_id if known else ""), 1.0
        for entry in context:
            yield ("item", known.item_id if known else "", entry), 1.0
        for token in known.tokens if known else ():
            yield ("token", token), 1.0
            yield ("token", token, "user", user), 1.0
            for entry in context:
                yield ("token", token, entry), 1.0
        standard = np.clip((row - self.mean) / np.sqrt(self.variance + 1e-6), -5.0, 5.0)
        for column, value in enumerate(standard):
            yield ("numeric", column), float(value)

    def score(self, candidates: Candidates) -> list[float]:
        return [
            sum(
                self.weight(name) * value
                for name, value in self.features(item, candidates.user, candidates.context, row)
            )
            for item, row in zip(candidates.items.tolist(), candidates.numeric, strict=True)
        ]

    def learn(self, one: Example, importance: float) -> None:
        row = widen(one.numeric)
        features = dict(self.features(one.item, one.user, one.context, row))
        features["place", one.position] = 1.0
        weights = {name: self.weight(name) for name in features}
        expected = sum(weights[name] * value for name, value in features.items())
        for name, value in features.items():
            slope = importance * (expected - one.reward) * value
            former = self.squares[name]
            self.squares[name] = former + slope * slope
            stay = (math.sqrt(self.squares[name]) - math.sqrt(former)) / self.settings.rate
            self.pulls[name] += slope - stay * weights[name]
        self.lessons += 1
        rate = max(1.0 / self.lessons, 1e-4)
        deviation = row - self.mean
        self.mean += rate * deviation
        self.variance += rate * (deviation * deviation - self.variance)


@pytest.mark.parametrize("weighting", ["unweighted", "propensity"])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.05, 2.0)])
def test_it_is_ftrl_proximal(weighting: str, l1: float, l2: float) -> None:
    settings = FTRLSettings.model_validate(
        {"bits": 24, "rate": 0.05, "l1": l1, "l2": l2, "weighting": weighting}
    )
    learner, plain = ranker(settings), ByName(settings)
    for seed in range(150):
        one = msgspec.structs.replace(WORLD.example(seed, N_FEATURES), user=seed % 3)
        learner.learn(one)
        plain.learn(one, 1.0 / one.propensity if weighting == "propensity" else 1.0)
    for seed in range(5):
        asked = WORLD.candidates(seed, N_FEATURES)._replace(user=seed % 3, context=(7, 11))
        expected = plain.score(asked)
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(learner.score(asked), expected, atol=2e-4)


def test_nothing_learned_is_no_opinion() -> None:
    assert not ranker().score(WORLD.candidates(1, N_FEATURES)).any()


def test_a_place_is_not_the_items() -> None:
    learner = ranker()
    first, last = (example(position=place) for place in (0, 500))
    twin = msgspec.structs.replace(last, position=100)
    for _ in range(30):
        learner.learn(first)
    other = ranker()
    for _ in range(30):
        other.learn(last)
    asked = candidates_of(first, first.item)
    np.testing.assert_array_equal(learner.score(asked), other.score(asked))
    assert learner.fingerprint() != other.fingerprint()
    third = ranker()
    for _ in range(30):
        third.learn(twin)
    assert third.fingerprint() == other.fingerprint()


def test_propensity_counts_only_when_asked_to() -> None:
    for weighting, equal in (("unweighted", True), ("propensity", False)):
        settings = FTRLSettings.model_validate({"bits": 12, "weighting": weighting})
        prints = set[bytes]()
        for propensity in (0.05, 0.9):
            learner = ranker(settings)
            learner.learn(example(propensity=propensity))
            prints.add(learner.fingerprint())
        assert (len(prints) == 1) is equal, weighting


def test_a_tiny_propensity_is_raised_to_the_floor() -> None:
    settings = FTRLSettings(bits=12, weighting="propensity", propensity_floor=0.1)
    prints = set[bytes]()
    for propensity in (1e-300, 0.05, 0.1):
        learner = ranker(settings)
        learner.learn(example(propensity=propensity))
        prints.add(learner.fingerprint())
    assert len(prints) == 1


@pytest.mark.parametrize("rate", [0.003, 10.0])
@pytest.mark.parametrize("reward", [10.0, -10.0])
def test_the_largest_rewards_and_features_leave_finite_scores(reward: float, rate: float) -> None:
    learner = ranker(FTRLSettings(bits=12, rate=rate, weighting="propensity"))
    huge = narrow(np.full(N_FEATURES, 65_504.0 if reward > 0 else -65_504.0, np.float32))
    for seed in range(300):
        learner.learn(example(reward=reward, propensity=1e-6))
        learner.learn(WORLD.example(seed, N_FEATURES))
        learner.learn(example(reward=-reward, numeric=huge))
    unpack(learner.snapshot(), dict)
    assert np.isfinite(learner.score(WORLD.candidates(1, N_FEATURES))).all()


def test_features_that_cannot_be_read_leave_the_rest_of_a_lesson() -> None:
    nan = narrow(np.full(N_FEATURES, np.nan, np.float32))
    prints = set[bytes]()
    for numeric in (b"", nan, nan[:-1], nan + nan):
        learner = taught()
        learner.learn(example(numeric=numeric))
        prints.add(learner.fingerprint())
    assert len(prints) == 1
    assert prints.isdisjoint({taught().fingerprint()})


def test_small_slopes_leave_no_weight_where_weights_cost() -> None:
    dear, cheap = taught(FTRLSettings(bits=12, l1=1e6)), taught(FTRLSettings(bits=12))
    asked = WORLD.candidates(1, N_FEATURES)
    assert not dear.score(asked).any()
    assert cheap.score(asked).any()


def test_items_and_attributes_may_come_later() -> None:
    world = make_world(n_items=4)
    learner = FTRLRanker(HASTY, world.catalogue, COLUMNS)
    learner.learn(example(item=2))
    for number in range(200):
        world.catalogue.upsert(f"late-{number}", number, {"tag": [f"t{number}", "late"]})
    late = example(item=150, reward=5.0)
    for _ in range(20):
        learner.learn(late)
    with_tag, without = learner.score(candidates_of(late, 100, 1))
    assert with_tag > without + 0.1
    heir = FTRLRanker(HASTY, world.catalogue, COLUMNS)
    heir.restore(learner.snapshot())
    asked = candidates_of(late, 2, 100, 150, -1)
    np.testing.assert_array_equal(heir.score(asked), learner.score(asked))


@pytest.mark.parametrize(
    "changes",
    [{"bits": 13}, {"rate": 0.2}, {"beta": 2.0}, {"l1": 0.1}, {"l2": 0.1}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_model_of_other_settings_is_incompatible(changes: dict[str, float]) -> None:
    other = ranker(HASTY.model_copy(update=changes))
    with pytest.raises(IncompatibleState, match="the settings say"):
        other.restore(taught().snapshot())


def test_a_model_of_other_features_is_incompatible() -> None:
    other = FTRLRanker(HASTY, WORLD.catalogue, COLUMNS[::-1])
    with pytest.raises(IncompatibleState, match="the settings say"):
        other.restore(taught().snapshot())


def test_what_was_not_learned_takes_no_room_in_a_snapshot() -> None:
    empty, full = ranker(FTRLSettings(bits=20)), taught(FTRLSettings(bits=20))
    assert len(empty.snapshot()) < 1000
    assert 3000 < len(full.snapshot()) < 5000


def weights_of(learner: FTRLRanker) -> NDArray[np.float32]:
    return vector_of(unpack(learner.report(), RankerReport).weights)


def shift_by(learner: FTRLRanker, weights: NDArray[np.float32]) -> bytes:
    report = unpack(learner.report(), RankerReport)
    return seal_shift(report.kind, weights, np.zeros(2 * N_FEATURES, np.float32))


@pytest.mark.parametrize("l1", [0.0, 0.05])
def test_a_shift_moves_weights_and_learning_goes_on_from_there(l1: float) -> None:
    learner = taught(HASTY.model_copy(update={"l1": l1}))
    before = weights_of(learner)
    moves = np.zeros_like(before)
    moves[::7] = 0.25
    learner.shift(shift_by(learner, moves))
    np.testing.assert_allclose(weights_of(learner), before + moves, atol=1e-6)
    state = unpack(learner.snapshot(), dict[str, object])
    weights, pulls, squares = (
        unpack_array(msgspec.convert(state[name], Packed), np.float32)
        for name in ("weights", "pulls", "squares")
    )
    stand_for = np.sign(pulls) * np.maximum(np.abs(pulls) - l1, 0.0)
    np.testing.assert_allclose(-stand_for / ((1.0 + np.sqrt(squares)) / 0.1), weights, atol=1e-6)
    heir = ranker(HASTY.model_copy(update={"l1": l1}))
    heir.restore(learner.snapshot())
    for one in (heir, learner):
        one.learn(example())
    assert heir.fingerprint() == learner.fingerprint()


def test_what_one_person_likes_does_not_travel() -> None:
    fan = example(user=77, reward=1.0)
    learner, other = ranker(), ranker()
    for _ in range(40):
        learner.learn(fan)
    other.shift(shift_by(other, weights_of(learner)))
    stranger = candidates_of(msgspec.structs.replace(fan, user=78), fan.item, -1)
    at_home = stranger._replace(user=77)
    # Both think the same of the item for strangers, but only one knows its fan.
    known = learner.score(stranger)
    assert known[0] > known[1] + 0.05
    told = other.score(stranger)
    np.testing.assert_allclose(told[0] - told[1], known[0] - known[1], atol=1e-2)
    assert learner.score(at_home)[0] > learner.score(stranger)[0] + 0.05
    np.testing.assert_array_equal(other.score(at_home), other.score(stranger))


def test_a_shift_that_does_not_fit_changes_nothing() -> None:
    learner = taught()
    before = learner.fingerprint()
    good = unpack(shift_by(learner, np.ones_like(weights_of(learner))), RankerShift)
    short = pack(RankerShift(good.kind, pack_array(np.ones(3, np.float32)), good.statistics))
    foreign = pack(RankerShift("another", good.weights, good.statistics))
    for record, error in (
        (short, IncompatibleState),
        (foreign, IncompatibleState),
        (pack(good)[:-1], CorruptRecord),
    ):
        with pytest.raises(error):
            learner.shift(record)
    assert learner.fingerprint() == before
