"""Popularity, freshness and tastes by their formulas, and the mix of all sources."""

from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Source
from recsys.candidates.fresh import Fresh
from recsys.candidates.mix import mix, strongest
from recsys.candidates.popular import Popular
from recsys.candidates.tastes import Tastes
from recsys.catalogue import Catalogue
from recsys.features.counts import ItemCounts
from recsys.learners.personal_bandit import PersonalBandit
from recsys.settings import (
    CatalogueSettings,
    FreshSettings,
    PersonalBanditSettings,
    PopularSettings,
    TasteSettings,
)
from recsys.users import User

ANN = User(user_id="ann")
HALF_LIFE_MS = 10_000


def popular() -> Popular:
    source = Popular(PopularSettings(half_life_s=HALF_LIFE_MS / 1000))
    source.grow(3)
    return source


def decayed(likes: list[tuple[int, int, float]], now_ms: int) -> list[float]:
    counts = [0.0] * 3
    for item, ts_ms, strength in likes:
        counts[item] += strength * 0.5 ** ((now_ms - ts_ms) / HALF_LIFE_MS)
    return counts


@pytest.mark.parametrize("step_ms", [100, 3_000, 60_000])
def test_popularity_halves_with_its_half_life(step_ms: int) -> None:
    likes = [(n % 3, 5_000_000 + step_ms * n * n % 7919, 0.2 + n % 4 / 5) for n in range(60)]
    likes.sort(key=lambda like: like[1])
    source = popular()
    for item, ts_ms, strength in likes:
        source.learn(ANN, item, ts_ms, strength)
    scores = source.scores(ANN, 0)
    expected = np.array(decayed(likes, likes[-1][1]))
    np.testing.assert_allclose(scores / scores.sum(), expected / expected.sum(), rtol=1e-4)


@pytest.mark.parametrize("half_lives", [45, 130, 10_000])
def test_a_pause_brings_the_counts_back_into_range(half_lives: int) -> None:
    source = popular()
    source.learn(ANN, 0, 0, 1.0)
    source.learn(ANN, 1, half_lives * HALF_LIFE_MS, 1.0)
    source.learn(ANN, 2, half_lives * HALF_LIFE_MS, 0.5)
    scores = source.scores(ANN, 0)
    assert np.isfinite(scores).all()
    assert scores[1] == 2 * scores[2] > 0.0
    assert scores[0] <= 2.0**-45


def test_a_like_from_long_ago_counts_next_to_nothing() -> None:
    source = popular()
    source.learn(ANN, 0, 10_000_000, 1.0)
    source.learn(ANN, 1, 0, 1.0)
    scores = source.scores(ANN, 0)
    assert 0.0 <= scores[1] < 1e-9 * scores[0]


def test_popularity_of_all_times_resumes_from_a_snapshot() -> None:
    one, other = popular(), popular()
    one.learn(ANN, 2, 1_000, 1.0)
    other.restore(one.snapshot())
    for source in (one, other):
        source.grow(5)
        source.learn(ANN, 4, 9_000, 0.5)
    assert one.snapshot() == other.snapshot()


def fresh_world(ages_s: list[float]) -> tuple[Fresh, ItemCounts]:
    catalogue = Catalogue(CatalogueSettings())
    counts = ItemCounts()
    for number, age_s in enumerate(ages_s):
        catalogue.upsert(f"i{number}", round(10_000_000 - 1000 * age_s), {})
    counts.grow(len(ages_s))
    return Fresh(FreshSettings(half_life_s=100.0), catalogue, counts), counts


def test_freshness_falls_with_age_and_with_being_shown() -> None:
    source, counts = fresh_world([0.0, 100.0, 300.0, -50.0])
    for _ in range(3):
        counts.show(0)
    np.testing.assert_allclose(source.scores(ANN, 10_000_000), [0.25, 0.5, 0.125, 1.0])


def test_only_the_newest_thousand_are_fresh() -> None:
    source, _ = fresh_world([0.0] * 1200)
    scores = source.scores(ANN, 10_000_000)
    assert np.flatnonzero(scores).tolist() == list(range(200, 1200))


def taste_world() -> tuple[Tastes, PersonalBandit]:
    catalogue = Catalogue(CatalogueSettings())
    for number, genre in enumerate(("crime", "drama", "crime", "comedy")):
        catalogue.upsert(f"i{number}", 0, {"genre": genre})
    catalogue.upsert("i4", 0, {})
    bandit = PersonalBandit(PersonalBanditSettings(), catalogue)
    source = Tastes(TasteSettings(optimism=0.5), bandit)
    source.grow(5)
    return source, bandit


def test_tastes_propose_what_is_like_what_was_liked() -> None:
    source, bandit = taste_world()
    user = User(user_id="u")
    assert source.scores(user, 0).tolist() == [0.0] * 5
    for _ in range(5):
        bandit.learn(user, 0, 1.0, shown=True)
        bandit.learn(user, 1, -1.0, shown=True)
    crime, drama, again, comedy, nothing = source.scores(user, 0).tolist()
    assert crime == again > comedy > drama == 0.0
    # An untried genre has only its deviation: half of the square root of the prior variance.
    assert comedy == pytest.approx(0.5 * 0.1**0.5)
    assert nothing == 0.0


class Fixed(Source):
    """Proposes what it was made with."""

    name: ClassVar[str] = "fixed"

    def __init__(self, scores: list[float]) -> None:
        self._scores = np.array(scores, np.float32)

    @override
    def grow(self, n_items: int) -> None: ...

    @override
    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None: ...

    @override
    def scores(self, user: User, ts_ms: int) -> NDArray[np.float32]:
        return self._scores

    @override
    def snapshot(self) -> bytes:
        return b""

    @override
    def restore(self, record: bytes) -> None: ...


class Silent(Fixed):
    """Proposes nothing."""

    name: ClassVar[str] = "silent"


def test_the_mix_divides_each_source_by_its_best() -> None:
    sources = [Fixed([0.0, 5.0, 10.0, 2.5]), Silent([0.0] * 4), Fixed([4.0, 0.0, 0.0, 8.0])]
    mixed = mix(sources, {"fixed": 0.5, "silent": 9.0}, ANN, 0, 4)
    np.testing.assert_allclose(
        mixed.columns, [[0.0, 0.5, 1.0, 0.25], [0.0] * 4, [0.5, 0.0, 0.0, 1.0]]
    )
    np.testing.assert_allclose(mixed.total, [0.25, 0.25, 0.5, 0.625])


def test_the_mix_of_an_empty_catalogue_is_empty() -> None:
    mixed = mix([Fixed([]), Silent([])], {"fixed": 1.0, "silent": 1.0}, ANN, 0, 0)
    assert (mixed.total.shape, mixed.columns.shape) == ((0,), (2, 0))


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
def test_the_strongest_are_the_head_of_a_stable_sort(limit: int) -> None:
    scores = np.array([0.5, 0.0, 0.9, 0.5, 0.1, 0.5], np.float32)
    assert strongest(scores, limit).tolist() == [2, 0, 3, 5, 4][:limit]


def test_the_strongest_of_many_equals_sorting_them_all() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        scores = rng.integers(0, 6, 200).astype(np.float32)
        order = sorted(np.flatnonzero(scores).tolist(), key=lambda place: (-scores[place], place))
        assert strongest(scores, 50).tolist() == order[:50]
