"""The listwise ranker: where it starts, what it learns from a choice, what its scores are worth."""

import math

import msgspec
import numpy as np
import pytest

from recsys.errors import IncompatibleState, InvalidSettings
from recsys.features.base import Candidates, Choice, Example, narrow
from recsys.learners.listwise import ListwiseRanker
from recsys.settings import ListwiseSettings

COLUMNS = ("mix", "taste_lift", "plain")
SHARED = ("pause", "hour")
START = {"mix": 1.5, "taste_lift": 0.5}
FAST = ListwiseSettings(hidden=8, learning_rate=5e-3, start=START)


def ranker(settings: ListwiseSettings = FAST, seed: int = 1) -> ListwiseRanker:
    return ListwiseRanker(settings, COLUMNS, SHARED, seed)


def candidates(rows: list[list[float]], shared: tuple[float, float] = (0.0, 0.0)) -> Candidates:
    numeric = np.array(rows, np.float32)
    items = np.arange(len(rows), dtype=np.int32)
    return Candidates(1, (), items, numeric, np.array(shared, np.float32))


def choice(
    rows: list[list[float]],
    chosen: int,
    examined: list[float] | None = None,
    shared: tuple[float, float] = (0.0, 0.0),
) -> Choice:
    """Return a choice; ``examined`` are probabilities of looking at each."""
    looked = narrow(np.log(np.array(examined, np.float32))) if examined else b""
    return Choice(
        1,
        narrow(np.array(rows, np.float32)),
        narrow(np.array(shared, np.float32)),
        len(rows),
        chosen,
        looked,
    )


def example(reward: float, score: float) -> Example:
    return Example(1, (), 0, b"", 0, 1.0, reward, score)


def lists(seed: int, n: int = 5) -> list[list[float]]:
    """Return rows that are their own float16 values."""
    rows = np.random.default_rng(seed).normal(size=(n, 3)).astype("<f2")
    return [[float(value) for value in row] for row in rows.tolist()]


def test_before_it_has_learned_it_ranks_by_mix_and_taste() -> None:
    learner = ranker(ListwiseSettings(start=START, initial_reward=0.04))
    rows = [[-1.0, 0.0, 9.0], [0.0, 0.0, -3.0], [-1.0, 1.0, 0.0], [-2.0, -1.0, 5.0]]
    scores = learner.score(candidates(rows, (7.0, -2.0)))
    # The best is worth what the settings say, the others less by their distance in mix and taste.
    expected = [math.exp(-1.5), 1.0, math.exp(-1.5 + 0.5), math.exp(-3.0 - 0.5)]
    np.testing.assert_allclose(scores, 0.04 * np.array(expected), rtol=1e-5)


def test_it_may_start_from_any_feature() -> None:
    learner = ranker(ListwiseSettings(start={"plain": -2.0}, initial_reward=0.04))
    scores = learner.score(candidates([[5.0, 5.0, 1.0], [9.0, -9.0, 0.5]]))
    np.testing.assert_allclose(scores, [0.04 * math.exp(-1.0), 0.04], rtol=1e-5)


def test_a_start_from_a_feature_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(InvalidSettings, match=r"start names 'click_lift_6h'.*'taste_lift'"):
        ranker(ListwiseSettings())


def test_the_loss_is_that_of_a_softmax() -> None:
    learner = ranker()
    rows = [[-1.0, 0.0, 9.0], [0.0, 0.0, -3.0], [-1.0, 1.0, 0.0]]
    odds = np.exp(np.array([-1.5, 0.0, -1.0]))
    for chosen in range(3):
        expected = -math.log(odds[chosen] / odds.sum())
        assert learner.loss(choice(rows, chosen)) == pytest.approx(expected, rel=1e-5)
        looked = odds * np.array([1.0, 0.5, 0.25])
        expected = -math.log(looked[chosen] / looked.sum())
        found = learner.loss(choice(rows, chosen, [1.0, 0.5, 0.25]))
        assert found == pytest.approx(expected, rel=1e-3)


def test_choosing_returns_the_loss_before_it_is_learned() -> None:
    for seed in range(30):
        learner, lesson = ranker(seed=seed), choice(lists(seed), seed % 5)
        before = learner.loss(lesson)
        assert learner.choose(lesson, []) == pytest.approx(before, rel=1e-5)
        after = learner.loss(lesson)
        assert before is not None
        assert after is not None
        assert after < before


def test_the_loss_of_a_choice_does_not_depend_on_what_is_replayed() -> None:
    learner, twin = ranker(), ranker()
    lesson, old = choice(lists(1), 2), [choice(lists(2), 0), choice(lists(3), 4)]
    assert learner.choose(lesson, old) == pytest.approx(twin.choose(lesson, []) or 0.0, rel=1e-5)


def test_old_choices_count_as_much_as_the_new_one() -> None:
    """What is old and what is new moves the weights alike; only the new one is observed."""
    one, other = choice(lists(1), 2), choice(lists(2), 0)
    learner, twin, alone = ranker(), ranker(), ranker()
    for _ in range(40):
        learner.choose(one, [other])
        twin.choose(one, [other, one, other])
        alone.choose(one, [])
    assert twin.loss(other) == pytest.approx(learner.loss(other) or 0.0, abs=1e-3)
    assert (learner.loss(other) or 0.0) < 0.5 * (alone.loss(other) or 0.0)


def test_what_is_chosen_by_one_feature_is_ranked_by_it() -> None:
    learner, rng = ranker(), np.random.default_rng(1)
    for _ in range(800):
        rows = rng.normal(size=(6, 3)).astype("<f2").astype(np.float32)
        rows[:, :2] = 0.0
        learner.choose(choice(rows.tolist(), int(rows[:, 2].argmax())), [])
    scores = learner.score(candidates([[0.0, 0.0, value] for value in np.linspace(-2, 2, 9)]))
    assert (np.diff(scores) > 0.0).all()


def test_what_is_chosen_may_depend_on_the_request() -> None:
    """A hidden layer and the request's features: what is liked by day is not by night."""
    learner, rng = ranker(), np.random.default_rng(1)
    for step in range(3000):
        rows = rng.normal(size=(4, 3)).astype("<f2").astype(np.float32)
        rows[:, :2] = 0.0
        hour = 1.0 if step % 2 else -1.0
        best = int((hour * rows[:, 2]).argmax())
        learner.choose(choice(rows.tolist(), best, shared=(0.0, hour)), [])
    two = [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]
    by_day = learner.score(candidates(two, (0.0, 1.0)))
    by_night = learner.score(candidates(two, (0.0, -1.0)))
    assert by_day[1] > 2 * by_day[0]
    assert by_night[0] > 2 * by_night[1]


@pytest.mark.parametrize(("known", "log_odds"), [(True, 0.0), (False, math.log(4.0))])
def test_an_item_is_not_credited_with_its_place(known: bool, log_odds: float) -> None:
    """The first place is looked at four times as often; a feature happens to be there always."""
    learner = ranker(ListwiseSettings(hidden=8, learning_rate=2e-3, start=START))
    rows = [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    for step in range(2500):
        chosen = int(step % 5 == 0)
        learner.choose(choice(rows, chosen, [1.0, 0.25] if known else None), [])
    first, second = learner.score(candidates(rows))
    assert math.log(first / second) == pytest.approx(log_odds, abs=0.25)


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.3])
def test_the_scale_comes_to_what_the_best_candidate_earns(rate: float) -> None:
    learner, rng = ranker(), np.random.default_rng(1)
    two = candidates([[0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    for _ in range(20_000):
        promised = float(learner.score(two).sum())
        chances = rate * np.exp([0.0, -1.5])
        learner.settle(float((rng.random(2) < chances).sum()), promised, 2.0)
    assert learner.scale == pytest.approx(rate, rel=0.25)


@pytest.mark.parametrize("reward", [1e6, -1e6])
def test_no_reward_leads_the_scale_out_of_its_bounds(reward: float) -> None:
    learner = ranker(ListwiseSettings(hidden=1, scale_rate=1.0, start=START))
    for _ in range(100):
        learner.settle(reward, 0.05, 1.0)
    assert 0.99e-4 <= learner.scale <= 10.01
    assert np.isfinite(learner.score(candidates(lists(1)))).all()


def test_what_a_list_earned_teaches_the_scale_and_nothing_else() -> None:
    learner = ranker()
    before = learner.score(candidates(lists(1)))
    for _ in range(100):
        learner.settle(1.0, 0.05, 1.0)
    after = learner.score(candidates(lists(1)))
    np.testing.assert_allclose(after / after.max(), before / before.max(), rtol=1e-6)
    assert after.max() > 2 * before.max()


def test_a_list_may_be_longer_than_any_before() -> None:
    learner = ranker()
    for n in (2, 70, 500, 3):
        learner.choose(choice(lists(n, n), n - 1), [choice(lists(1), 0)])
        assert np.isfinite(learner.score(candidates(lists(n, 2 * n)))).all()


@pytest.mark.parametrize("value", [65504.0, -65504.0])
def test_the_largest_features_leave_scores_finite(value: float) -> None:
    learner = ranker()
    huge = [[0.0, 0.0, value], [0.0, 0.0, 0.0]]
    for step in range(200):
        learner.choose(choice(huge if step % 2 else lists(step, 2), step % 2), [])
    assert np.isfinite(learner.score(candidates([*huge, *lists(1)]))).all()


def test_another_seed_begins_elsewhere_with_the_same_scores() -> None:
    one, other = ranker(seed=1), ranker(seed=2)
    assert one.fingerprint() != other.fingerprint()
    np.testing.assert_array_equal(
        one.score(candidates(lists(1))), other.score(candidates(lists(1)))
    )


@pytest.mark.parametrize(
    "other",
    [
        ListwiseRanker(ListwiseSettings(hidden=9, start=START), COLUMNS, SHARED, 1),
        ListwiseRanker(FAST, ("taste_lift", "mix", "plain"), SHARED, 1),
        ListwiseRanker(FAST, (*COLUMNS, "more"), SHARED, 1),
        ListwiseRanker(FAST, COLUMNS, ("pause",), 1),
    ],
    ids=["hidden", "order", "columns", "shared"],
)
def test_a_ranker_of_other_features_is_incompatible(other: ListwiseRanker) -> None:
    with pytest.raises(IncompatibleState, match="other features or another hidden layer"):
        other.restore(ranker().snapshot())


def test_what_changes_nothing_in_the_shape_goes_on_from_a_snapshot() -> None:
    learner = ranker()
    learner.choose(choice(lists(1), 2), [])
    slower = ranker(ListwiseSettings(hidden=8, learning_rate=1e-4, initial_reward=0.5, start=START))
    slower.restore(learner.snapshot())
    assert slower.fingerprint() == learner.fingerprint()
    lesson = msgspec.structs.replace(choice(lists(2), 1), user=9)
    assert slower.choose(lesson, []) == learner.choose(lesson, [])
