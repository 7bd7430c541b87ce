"""Popularity, freshness and tastes by their formulas."""

import math

import numpy as np
import pytest

from recsys.candidates.fresh import Fresh
from recsys.candidates.popular import Popular
from recsys.candidates.popular_attributes import PopularAttributes
from recsys.candidates.recent_tastes import RecentTastes
from recsys.candidates.tastes import Tastes
from recsys.catalogue import Catalogue
from recsys.errors import IncompatibleState
from recsys.features.counts import ItemCounts
from recsys.learners.personal_bandit import PersonalBandit
from recsys.settings import (
    CatalogueSettings,
    FreshSettings,
    PersonalBanditSettings,
    PopularAttributeSettings,
    PopularSettings,
    PopularWindow,
    RecentTasteSettings,
    TasteSettings,
)
from recsys.users import User
from tests.pools import person, pool_of, proposals, scores

ANN = person()
HALF_LIFE_MS = 10_000
LONG_MS = 30_000
NOW_MS = 5_000_000


def catalogue_of(n_items: int) -> Catalogue:
    catalogue = Catalogue(CatalogueSettings())
    for number in range(n_items):
        catalogue.upsert(f"i{number}", 0, {})
    return catalogue


def popular(n_items: int = 3, **settings: int) -> Popular:
    windows = {
        "short": PopularWindow(half_life_s=HALF_LIFE_MS / 1000, weight=0.2),
        "long": PopularWindow(half_life_s=LONG_MS / 1000, weight=0.3),
    }
    catalogue = catalogue_of(n_items)
    source = Popular(PopularSettings(windows=windows, **settings), catalogue)
    source.grow(n_items)
    return source


def decayed(likes: list[tuple[int, int, float]], now_ms: int, half_life_ms: int) -> list[float]:
    counts = [0.0] * 3
    for item, ts_ms, strength in likes:
        counts[item] += strength * 0.5 ** ((now_ms - ts_ms) / half_life_ms)
    return counts


@pytest.mark.parametrize("step_ms", [100, 3_000, 60_000])
def test_popularity_halves_with_its_half_lives(step_ms: int) -> None:
    likes = [(n % 3, NOW_MS + step_ms * n * n % 7919, 0.2 + n % 4 / 5) for n in range(60)]
    likes.sort(key=lambda like: like[1])
    source = popular()
    for item, ts_ms, strength in likes:
        source.learn(ANN, item, ts_ms, strength)
    for later_ms in (0, 3 * HALF_LIFE_MS):
        now_ms = likes[-1][1] + later_ms
        expected = [decayed(likes, now_ms, half_life) for half_life in (HALF_LIFE_MS, LONG_MS)]
        np.testing.assert_allclose(
            scores(source, ANN, now_ms, 3), np.transpose(expected), rtol=1e-4
        )


@pytest.mark.parametrize("half_lives", [45, 130, 10_000])
def test_a_pause_brings_the_counts_back_into_range(half_lives: int) -> None:
    source, later_ms = popular(), half_lives * HALF_LIFE_MS
    source.learn(ANN, 0, 0, 1.0)
    source.learn(ANN, 1, later_ms, 1.0)
    source.learn(ANN, 2, later_ms, 0.5)
    short = scores(source, ANN, later_ms, 3)[:, 0]
    assert short[1:].tolist() == [1.0, 0.5]
    assert short[0] <= 2.0**-45


def test_a_like_from_long_ago_counts_next_to_nothing() -> None:
    source = popular()
    source.learn(ANN, 0, 10_000_000, 1.0)
    source.learn(ANN, 1, 0, 1.0)
    short = scores(source, ANN, 10_000_000, 3)[:, 0]
    assert 0.0 <= short[1] < 1e-9 * short[0]


def test_popularity_resumes_from_a_snapshot() -> None:
    one, other = popular(), popular()
    one.learn(ANN, 2, 1_000, 1.0)
    other.restore(one.snapshot())
    for source in (one, other):
        source.grow(5)
        source.learn(ANN, 4, 9_000, 0.5)
    assert one.snapshot() == other.snapshot()


def test_other_windows_are_incompatible() -> None:
    one = Popular(
        PopularSettings(windows={"week": PopularWindow(half_life_s=604_800.0)}), catalogue_of(3)
    )
    with pytest.raises(IncompatibleState, match=r"\['popular_short', 'popular_long'\]"):
        one.restore(popular().snapshot())


def test_the_longest_window_is_known() -> None:
    assert popular().longest == "popular_long"
    assert Popular(PopularSettings(), catalogue_of(0)).longest == "popular_30d"
    assert popular().columns == ("popular_short", "popular_long")
    assert popular().weights == (0.2, 0.3)


def test_the_leaders_of_every_window_are_proposed() -> None:
    source = popular(6, leaders=2)
    # Four likes of 0 and three of 1, sixty seconds ago: half a like each by the long window.
    for item, times in {0: 4, 1: 3, 2: 1}.items():
        for _ in range(times):
            source.learn(ANN, item, NOW_MS, 1.0)
    for item, strength in {3: 0.6, 4: 0.5, 5: 0.3}.items():
        source.learn(ANN, item, NOW_MS + 60_000, strength)
    # Short: 3 and 4 lead 0 (4/64). Long: 0 (4/4) and 1 (3/4) lead 3.
    assert proposals(source, ANN, NOW_MS + 60_000, 6) == {0, 1, 3, 4}


def test_who_had_the_leaders_is_proposed_those_behind_them() -> None:
    source = popular(9, leaders=2)
    for item in range(9):
        source.learn(ANN, item, 1000, 1.0 - item / 10)
    assert proposals(source, ANN, 1000, 9) == {0, 1}
    assert proposals(source, ANN, 1000, 9, without=[0, 2, 3, 4]) == {1, 5}
    # As many are known as four people could have had.
    assert proposals(source, ANN, 1000, 9, without=range(7)) == {7}
    assert proposals(source, ANN, 1000, 9, without=range(8)) == set()


def test_what_was_removed_leads_nothing() -> None:
    catalogue = catalogue_of(20)
    source = Popular(PopularSettings(leaders=2), catalogue)
    source.grow(20)
    for number in range(12):
        catalogue.remove(f"i{number}", 1)
        source.learn(ANN, number, 1000, 1.0)
    source.learn(ANN, 15, 1000, 0.1)
    assert proposals(source, ANN, 1000, 20) == {15}


@pytest.mark.parametrize("leaders", [1, 3])
def test_leaders_are_found_anew_when_the_settings_say_another_number(leaders: int) -> None:
    former, now = popular(9, leaders=2), popular(9, leaders=leaders)
    for item in range(9):
        former.learn(ANN, item, 1000, 1.0 - item / 10)
    now.restore(former.snapshot())
    assert proposals(now, ANN, 1000, 9) == set(range(leaders))
    assert proposals(former, ANN, 1000, 9) == {0, 1}


def test_leaders_are_found_anew_every_so_many_likes() -> None:
    source = popular(80, leaders=1)
    for item in range(40):
        source.learn(ANN, item, NOW_MS, 1.0)
    before = proposals(source, ANN, NOW_MS, 80)
    for _ in range(64):
        source.learn(ANN, 70, NOW_MS, 1.0)
    assert len(before) == 1
    assert proposals(source, ANN, NOW_MS, 80) == {70}


def test_before_anything_is_liked_nothing_is_popular() -> None:
    source = popular()
    assert proposals(source, ANN, NOW_MS, 3) == set()
    assert not scores(source, ANN, NOW_MS, 3).any()


def fresh_world(ages_s: list[float], leaders: int = 1000) -> tuple[Fresh, ItemCounts, Catalogue]:
    catalogue = Catalogue(CatalogueSettings())
    counts = ItemCounts()
    for number, age_s in enumerate(ages_s):
        catalogue.upsert(f"i{number}", round(10_000_000 - 1000 * age_s), {})
    counts.grow(len(ages_s))
    return (
        Fresh(FreshSettings(half_life_s=100.0, leaders=leaders), catalogue, counts),
        counts,
        catalogue,
    )


def test_freshness_falls_with_age_and_with_being_shown() -> None:
    source, counts, _ = fresh_world([0.0, 100.0, 300.0, -50.0])
    for _ in range(3):
        counts.shown[0] += 1
    found = scores(source, ANN, 10_000_000, 4)
    np.testing.assert_allclose(found[:, 0], np.array([0.25, 0.5, 0.125, 1.0]))


def test_the_freshest_of_what_may_be_shown_are_proposed() -> None:
    source, counts, _ = fresh_world([50.0, 10.0, 20.0, 30.0, 40.0], leaders=2)
    assert proposals(source, ANN, 10_000_000, 5) == {1, 2}
    counts.shown[1] += 1
    assert proposals(source, ANN, 10_000_000, 5, without=[2]) == {3, 4}


def test_only_the_newest_of_many_are_fresh() -> None:
    source, *_ = fresh_world([0.0] * 1200)
    assert proposals(source, ANN, 10_000_000, 1200) == set(range(1000, 1200))


def taste_world(leaders: int = 50) -> tuple[Tastes, PersonalBandit, Catalogue]:
    catalogue = Catalogue(CatalogueSettings())
    for number, genre in enumerate(("crime", "drama", "crime", "comedy")):
        catalogue.upsert(f"i{number}", 0, {"genre": genre})
    catalogue.upsert("i4", 0, {})
    bandit = PersonalBandit(PersonalBanditSettings(), catalogue)
    counts = ItemCounts()
    counts.grow(5)
    settings = TasteSettings(optimism=0.5, leaders=leaders)
    source = Tastes(settings, bandit, catalogue, counts)
    source.grow(5)
    return source, bandit, catalogue


def crime_lover(bandit: PersonalBandit) -> User:
    user = User(user_id="u")
    for _ in range(5):
        bandit.learn(user, 0, 1.0, shown=True)
        bandit.learn(user, 1, -1.0, shown=True)
    return user


def test_tastes_score_what_is_like_what_was_liked() -> None:
    source, bandit, _ = taste_world()
    stranger = User(user_id="stranger")
    assert not scores(source, stranger, 0, 5).any()
    user = crime_lover(bandit)
    crime, drama, again, comedy, nothing = scores(source, user, 0, 5)[:, 0].tolist()
    mean, deviation, _ = bandit.posterior(user, np.array([0], np.int32))[0].tolist()
    assert crime == again == pytest.approx(mean + 0.5 * deviation)
    assert crime > comedy > drama == 0.0
    # An untried genre has only its deviation: half of the square root of the prior variance.
    _, untried, _ = bandit.posterior(User(user_id="new"), np.array([3], np.int32))[0].tolist()
    assert comedy == pytest.approx(0.5 * untried)
    assert nothing == 0.0


def test_the_best_by_taste_of_what_may_be_shown_are_proposed() -> None:
    source, bandit, _ = taste_world(leaders=2)
    user = crime_lover(bandit)
    assert proposals(source, user, 0, 5) == {0, 2}
    assert proposals(source, user, 0, 5, without=[0]) == {2, 3}
    assert pool_of(source, User(user_id="stranger"), 0, 5).count == 0


def tagged() -> tuple[Catalogue, ItemCounts]:
    catalogue, counts = Catalogue(CatalogueSettings()), ItemCounts()
    tags = [["crime"], ["crime", "noir"], ["noir", "city", "rain", "night"], ["family"], []]
    for number, values in enumerate(tags):
        catalogue.upsert(f"i{number}", 0, {"tag": values})
    counts.grow(5)
    return catalogue, counts


def recent_world(**changes: float) -> tuple[RecentTastes, ItemCounts, Catalogue]:
    catalogue, counts = tagged()
    settings = RecentTasteSettings.model_validate({"decay": 0.5} | changes)
    source = RecentTastes(settings, catalogue, counts)
    source.grow(5)
    return source, counts, catalogue


def test_recent_tastes_by_hand() -> None:
    source, counts, _ = recent_world()
    counts.like(1, 6)
    # Family just now, crime before that, crime and noir at first.
    me = person((1, 0), (0, 1), (3, 2))
    crime, noir, family = 0.5 + 0.25, 0.25, 1.0
    expected = [
        crime,
        (crime + noir) / math.sqrt(2) * (1 + math.log(7)),
        noir / math.sqrt(4),
        family,
        0.0,
    ]
    found = scores(source, me, 10, 5)[:, 0]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-6)
    assert not scores(source, person(), 10, 5).any()
    np.testing.assert_array_equal(scores(source, me, 10, 5)[:, 0], found)


def test_recent_tastes_turn_with_the_newest_likes() -> None:
    source, _, _ = recent_world(history=2)
    assert proposals(source, person((3, 0), (0, 1), (0, 2)), 3, 5) == {0, 1}
    assert proposals(source, person((0, 0), (0, 1), (3, 2)), 3, 5) == {0, 1, 3}


def test_the_best_by_recent_tastes_of_what_may_be_shown_are_proposed() -> None:
    source, *_ = recent_world(leaders=1)
    me = person((1, 0))
    assert proposals(source, me, 1, 5) == {1}
    assert proposals(source, me, 1, 5, without=[1]) == {0}
    assert (source.seats, source.weights) == ((8,), (0.1,))


def attribute_world(leaders: int = 30) -> tuple[PopularAttributes, ItemCounts, Catalogue]:
    catalogue, counts = tagged()
    windows = {
        "short": PopularWindow(half_life_s=HALF_LIFE_MS / 1000, weight=0.2),
        "long": PopularWindow(half_life_s=LONG_MS / 1000, weight=0.3),
    }
    settings = PopularAttributeSettings(leaders=leaders, windows=windows)
    source = PopularAttributes(settings, catalogue, counts)
    source.grow(5)
    return source, counts, catalogue


def test_popular_attributes_by_hand() -> None:
    source, counts, _ = attribute_world()
    counts.like(1, 6)
    likes = [(0, 0, 1.0), (1, 7_000, 0.5), (3, 9_000, 1.0)]
    for item, ts_ms, strength in likes:
        source.learn(ANN, item, NOW_MS + ts_ms, strength)
    found = scores(source, ANN, NOW_MS + 20_000, 5)
    for column, half_life_ms in enumerate((HALF_LIFE_MS, LONG_MS)):
        first, second, third = (
            strength * 0.5 ** ((20_000 - ts_ms) / half_life_ms) for _, ts_ms, strength in likes
        )
        crime, noir, family = first + second, second, third
        expected = [
            crime,
            (crime + noir) / math.sqrt(2) * (1 + math.log(7)),
            noir / math.sqrt(4),
            family,
            0.0,
        ]
        np.testing.assert_allclose(found[:, column], np.array(expected), rtol=1e-6)
    assert (source.weights, source.columns) == (
        (0.2, 0.3),
        ("popular_attributes_short", "popular_attributes_long"),
    )


def test_what_shares_the_attributes_of_what_is_liked_lately_is_proposed_by_each_window() -> None:
    source, _, catalogue = attribute_world(leaders=1)
    assert proposals(source, ANN, NOW_MS, 5) == set()
    for _ in range(8):
        source.learn(ANN, 3, NOW_MS, 1.0)
    assert proposals(source, ANN, NOW_MS, 5) == {3}
    # Long after, only the long window still thinks of family.
    for _ in range(2):
        source.learn(ANN, 2, NOW_MS + 2 * HALF_LIFE_MS, 1.0)
    assert proposals(source, ANN, NOW_MS, 5) == {2, 3}
    assert proposals(source, ANN, NOW_MS, 5, without=[2]) == {3}
    catalogue.remove("i2", 1)
    source.learn(ANN, 3, NOW_MS, 0.1)
    assert proposals(source, ANN, NOW_MS, 5) == {3}


def test_popular_attributes_of_other_windows_are_refused() -> None:
    source, _, catalogue = attribute_world()
    other = PopularAttributes(PopularAttributeSettings(), catalogue, ItemCounts())
    with pytest.raises(IncompatibleState, match="the settings say"):
        other.restore(source.snapshot())
