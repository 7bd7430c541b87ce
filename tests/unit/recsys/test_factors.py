"""Factors: a lesson against finite differences, and what is learned from many."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates import factor_kernels as compute
from recsys.candidates.base import Asker
from recsys.candidates.factors import Factors
from recsys.candidates.nearest import Index
from recsys.candidates.pool import Pool
from recsys.errors import IncompatibleState
from recsys.settings import FactorSettings
from recsys.users import User
from tests.pools import all_but, person, pool_of, proposals, scores

N_ITEMS = 12
SEED = 3


def made(n_items: int = N_ITEMS, **changes: float) -> Factors:
    settings = {"dimensions": 8, "negatives": 16, "lessons": 100} | changes
    source = Factors(FactorSettings.model_validate(settings), SEED)
    source.grow(n_items)
    return source


def pairs(source: Factors, *after: tuple[int, int], rounds: int = 200) -> None:
    """Let people like one item and then another, a second apart."""
    for number in range(rounds):
        for first, second in after:
            user = User(user_id=f"{number}-{first}")
            source.learn(user, first, 1000, 1.0)
            user.like(first, 1000, 50)
            source.learn(user, second, 2000, 1.0)


class Lesson:
    """One like of item 2 after 0 and 1, beside negatives that are all item 3."""

    SHAPE = compute.Shape(0.5, 1000.0, 0.25, 1.0, 4, SEED, 2, 1)
    TIMES_MS = np.array([0, 2000], np.int64)

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.inputs = rng.normal(size=(5, 3))
        self.outputs = rng.normal(size=(5, 3))
        # Of the latest five likes four are of item 3 and one, which no lot falls on, is of item 2.
        self.counts = np.array([0, 0, 1, 4, 0], np.int32)

    def weights(self) -> list[float]:
        older = 0.5 * (0.25 + 0.75 * math.exp(-2.0))
        return [older / math.hypot(older, 1.0), 1.0 / math.hypot(older, 1.0)]

    def loss(self, inputs: np.ndarray, outputs: np.ndarray) -> float:
        older, newest = self.weights()
        vector = older * inputs[0] + newest * inputs[1]
        wanted = float(vector @ outputs[2]) - math.log(1 / 4)
        drawn = float(vector @ outputs[3]) - math.log(4 / 4)
        return math.log(math.exp(wanted) + 4 * math.exp(drawn)) - wanted

    def learn(self, squares: float) -> compute.Model:
        """Return the vectors after the lesson, with so much behind them."""
        model = compute.Model(
            self.inputs.astype(np.float32),
            self.outputs.astype(np.float32),
            np.full((5, 3), squares, np.float32),
            np.full((5, 3), squares, np.float32),
        )
        rings = compute.Rings(
            np.full(4, 3, np.int32),
            self.counts,
            np.zeros((7, 2), np.int32),
            np.zeros((7, 2), np.float32),
            np.zeros(7, np.int32),
            np.zeros(7, np.int32),
        )
        items = np.array([0, 1], np.int32)
        nobody = (np.zeros(3, np.float32), np.zeros(1, np.bool_)) * 2
        vectors = compute.hold_vectors(compute.Vectors(model, rings, self.SHAPE, *nobody))
        lots = compute.learn(vectors, items, self.TIMES_MS, 2, 1.0, 0, (4, 8, 0))
        assert lots == 4
        # The second row of the ring, after eight lessons in seven rows.
        assert rings.items[1].tolist() == [1, 0]
        np.testing.assert_allclose(rings.weights[1], self.weights()[::-1], rtol=1e-5)
        assert (rings.sizes[1], rings.targets[1]) == (2, 2)
        return model


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_a_lesson_goes_down_the_slope(part: str) -> None:
    one, width = Lesson(), 1e-6
    before: np.ndarray = getattr(one, part)
    slopes = np.zeros_like(before)
    for place in np.ndindex(*before.shape):
        ahead, behind = before.copy(), before.copy()
        ahead[place] += width
        behind[place] -= width
        losses = [one.loss(**{"inputs": one.inputs, "outputs": one.outputs, part: x})
                  for x in (ahead, behind)]  # fmt: skip
        slopes[place] = (losses[0] - losses[1]) / (2 * width)
    # With squares of 10,000 behind it, AdaGrad divides by 100 whatever the slope is now. Outputs
    # move first, item by item, and what they were is what the inputs see.
    moved = before - getattr(one.learn(1e4), part)
    np.testing.assert_allclose(moved, slopes / 100.0, rtol=0.05, atol=2e-6)


def test_what_is_liked_after_what_is_proposed() -> None:
    source = made(leaders=2)
    pairs(source, (0, 1), (2, 3), (4, 5))
    for first, second in ((0, 1), (2, 3), (4, 5)):
        found = scores(source, person((first, 0)), 1000, N_ITEMS)[:, 0]
        assert found.argmax() == second
        assert second in proposals(source, person((first, 0)), 1000, N_ITEMS)
        others = [other for other in (1, 3, 5) if other != second]
        assert found[second] > 3.0 * found[others].max()


def test_the_popular_are_not_disliked_for_being_drawn_often() -> None:
    source = made()
    # Half of all likes are of item 9, after anything.
    pairs(source, *((first, 9) for first in range(6)))
    for first in range(6):
        found = scores(source, person((first, 0)), 1000, N_ITEMS)[:, 0]
        assert found.argmax() == 9


def test_an_item_that_nobody_liked_is_neither_liked_nor_disliked() -> None:
    source = made()
    pairs(source, (0, 1), (2, 3))
    assert scores(source, person((0, 0)), 1000, N_ITEMS)[11, 0] == pytest.approx(1.0, abs=0.5)


def test_a_stranger_is_told_nothing() -> None:
    source = made()
    pairs(source, (0, 1))
    assert pool_of(source, person(), 0, N_ITEMS).count == 0
    assert not scores(source, person(), 0, N_ITEMS).any()


def test_what_may_not_be_shown_gives_way_to_the_next_best() -> None:
    source = made(leaders=1)
    pairs(source, (0, 1))
    me = person((0, 0))
    first, second = (-scores(source, me, 1000, N_ITEMS)[:, 0]).argsort()[:2].tolist()
    assert first == 1
    assert proposals(source, me, 1000, N_ITEMS) == {first}
    assert proposals(source, me, 1000, N_ITEMS, without=[first]) == {second}


def test_vectors_begin_the_same_however_the_catalogue_grew() -> None:
    at_once = made(n_items=200)
    slowly = made(n_items=1)
    for number in range(1, 200):
        slowly.grow(number + 1)
    assert slowly.snapshot() == at_once.snapshot()


def test_a_like_that_is_worth_less_teaches_less() -> None:
    likes = []
    for strength in (1.0, 0.1):
        source = made(replays=0, negatives=4)
        user = person((0, 0))
        source.learn(User(user_id="other"), 2, 0, 1.0)
        source.learn(user, 1, 10, strength)
        likes.append(scores(source, user, 20, N_ITEMS)[1, 0])
    assert likes[0] > likes[1]


@pytest.mark.parametrize(
    "changes", [{"dimensions": 9}, {"history": 3}, {"lessons": 4}, {"latest": 6}]
)
def test_other_settings_are_refused(changes: dict[str, int]) -> None:
    source = made()
    pairs(source, (0, 1), rounds=5)
    other = made(**changes)
    with pytest.raises(IncompatibleState, match="factors were learned with 8 dimensions"):
        other.restore(source.snapshot())


def indexed(source: Factors) -> Factors:
    vectors = source.to_index()
    assert vectors is not None
    source.use(Index(vectors))
    return source


def test_an_index_of_few_items_proposes_what_a_scan_does_and_scores_the_same() -> None:
    scanned = made(leaders=2)
    source = made(leaders=2, exact_up_to=0)
    for each in (scanned, source):
        pairs(each, (0, 1), (2, 3), (4, 5))
    indexed(source)
    for first in (0, 2, 4):
        me = person((first, 0))
        assert proposals(source, me, 1000, N_ITEMS) == proposals(scanned, me, 1000, N_ITEMS)
        np.testing.assert_array_equal(
            scores(source, me, 1000, N_ITEMS), scores(scanned, me, 1000, N_ITEMS)
        )


class _Wrong(Index):
    """Finds the same whoever asks."""

    @override
    def find(
        self,
        vector: NDArray[np.float32],
        vectors: NDArray[np.float32],
        allowed: NDArray[np.bool_],
        n: int,
    ) -> NDArray[np.int32]:
        return np.array([7], np.int32)


def test_only_who_asks_for_approximate_answers_gets_them() -> None:
    source = made(leaders=1, exact_up_to=0)
    pairs(source, (0, 1))
    vectors = source.to_index()
    assert vectors is not None
    source.use(_Wrong(vectors))
    found = []
    for approximate in (True, False):
        pool = Pool(source.columns)
        pool.grow(N_ITEMS)
        source.propose(
            Asker.at(person((0, 0)), 1000, all_but((), N_ITEMS), approximate=approximate), pool, 0
        )
        found.append(pool.items.tolist())
    assert found == [[7], [1]]


def test_an_index_is_due_with_the_item_too_many_and_after_so_many_likes() -> None:
    source = made(exact_up_to=N_ITEMS, index_every=3)
    assert source.to_index() is None
    source.grow(N_ITEMS + 1)
    vectors = source.to_index()
    assert vectors is not None
    assert vectors.shape == (N_ITEMS + 1, 8)
    vectors[:] = 0.0
    again = source.to_index()
    assert again is not None, "the copy is the caller's"
    assert again.any()
    indexed(source)
    for _ in range(2):
        source.learn(person((0, 0)), 1, 1000, 1.0)
        assert source.to_index() is None
    source.learn(person((0, 0)), 1, 1000, 1.0)
    assert source.to_index() is not None
    indexed(source)
    for more, due in ((2, False), (3, True)):
        source.grow(N_ITEMS + more)
        assert (source.to_index() is not None) == due, "a tenth more are scanned, not two"


def test_a_restored_source_has_no_index() -> None:
    source = made(exact_up_to=0)
    record = source.snapshot()
    indexed(source)
    assert source.to_index() is None
    assert source.snapshot() == record
    source.restore(record)
    assert source.to_index() is not None
