"""Every feature worked out by hand for a small state."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from recsys.candidates.base import Asker
from recsys.candidates.pool import Cut, Pool
from recsys.catalogue import Catalogue
from recsys.features.columns import Column, keep
from recsys.features.counts import ItemCounts
from recsys.features.habits import ItemHabits
from recsys.features.table import NOWHERE, FeatureTable, Windows, surface
from recsys.features.windows import SHOWN, WindowCounts
from recsys.learners.personal_bandit import PersonalBandit
from recsys.learners.user_model import UserModel
from recsys.past import Seen
from recsys.settings import CatalogueSettings, PersonalBanditSettings, UserModelSettings
from recsys.tastes import Tastes
from recsys.users import User
from tests.pools import person

HOUR_MS = 3_600_000
NONE = np.zeros(0, np.bool_)
"""Features are the same whatever may be shown."""
START_MS = 1_700_000_000_000
HALF = 1e-3
"""float16 has eleven bits."""


class World(NamedTuple):
    """Three items: crime and noir, crime, and one without attributes; a fourth is not there."""

    pool: Pool
    catalogue: Catalogue
    counts: ItemCounts
    habits: ItemHabits
    windows: Windows
    bandit: PersonalBandit
    table: FeatureTable

    def show(self, *items: int, at_ms: int = START_MS) -> None:
        """Show items, in the counters and in the windows."""
        for item in items:
            self.table.show(np.array([item], np.int32), at_ms)


def some_windows() -> Windows:
    """Return windows of an hour and of a day."""
    crossings = WindowCounts((24 * 3600.0,))
    crossings.grow(1024)
    return Windows(
        WindowCounts((3600.0, 24 * 3600.0)), WindowCounts((3600.0, 24 * 3600.0)), crossings
    )


def world() -> World:
    catalogue = Catalogue(CatalogueSettings())
    for name, values in {"a": ["crime", "noir"], "b": ["crime"], "c": list[str]()}.items():
        catalogue.upsert(name, START_MS, {"tag": values})
    pool = Pool(["first", "second"])
    pool.grow(len(catalogue))
    counts, habits, windows = ItemCounts(), ItemHabits(), some_windows()
    bandit = PersonalBandit(PersonalBanditSettings(), catalogue)
    table = FeatureTable(pool, catalogue, counts, habits, windows, [bandit])
    counts.grow(len(catalogue))
    habits.grow(len(catalogue))
    table.grow()
    return World(pool, catalogue, counts, habits, windows, bandit, table)


def cut_of(
    items: list[int],
    mixed: list[float] | None = None,
    largest: tuple[float, float] = (4.0, 0.0),
    places: list[int] | None = None,
    pooled: list[int] | None = None,
) -> Cut:
    return Cut(
        np.array(items, np.int32),
        np.array(mixed or [0.0] * len(items), np.float32),
        np.array(largest, np.float32),
        np.array(places or range(len(items)), np.int32),
        np.array(items if pooled is None else pooled, np.int32),
    )


def asked(
    one: World,
    cut: Cut,
    user: User | None = None,
    ts_ms: int = START_MS,
    tokens: NDArray[np.int64] = NOWHERE,
    list_size: int = 0,
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the columns of the candidates and of the request, by name."""
    answer = one.table.ask(Asker.at(user or User(user_id="u"), ts_ms, NONE), cut, tokens, list_size)
    assert answer.rows.dtype == answer.shared.dtype == np.float32
    columns = dict(zip(one.table.columns, answer.rows.T.tolist(), strict=True))
    return columns, dict(zip(one.table.shared_columns, answer.shared.tolist(), strict=True))


def test_the_columns_are_named() -> None:
    table = world().table
    assert table.columns == (
        *("first_relative", "second_relative", "first_log", "second_log"),
        *("mix", "rank", "likes", "age", "like_recency", "usual_pause", "usual_depth"),
        *("pause_difference", "shown_before", "click_lift_1h", "click_lift_1d"),
        *("shown_1h", "shown_1d", "attribute_lift_1h", "attribute_lift_1d", "context_lift"),
        *("taste", "taste_deviation", "taste_lift"),
    )
    assert table.places == {name: place for place, name in enumerate(table.columns)}
    assert table.shared_columns == (
        *("pause", "same_moment", "within_a_minute", "session_size", "history_size", "last_likes"),
        *("last_five_span", "pool_size", "own_click_rate", "own_shown", "list_size"),
        *("hour_sine", "hour_cosine", "first_largest", "second_largest"),
    )


def test_what_is_kept_stays_in_its_place() -> None:
    columns = [Column("a", None), Column("b", "counts"), Column("c", "habits"), Column("d", None)]
    kept = keep(columns, ["counts"])
    assert (kept.names, kept.places.tolist(), kept.left_out) == (("a", "c", "d"), [0, 2, 3], ("b",))
    assert keep(columns, []).left_out == ()


def test_scores_are_logarithms_relative_and_absolute() -> None:
    one = world()
    one.pool.add(np.array([1, 0, 2], np.int32))
    one.pool.scores[0, :3] = [1.0, 4.0, 0.0]
    cut = cut_of([0, 1, 2], [0.8, 0.2, 0.0], places=[0, 1, 7], pooled=[1, 0, 2])
    columns, shared = asked(one, cut)
    logs = [math.log(1.0 + 1e-3), math.log(0.25 + 1e-3), math.log(1e-3)]
    assert columns["first_relative"] == pytest.approx(logs, abs=1e-3, rel=HALF)
    assert columns["second_relative"] == pytest.approx([math.log(1e-3)] * 3, rel=HALF)
    logs = [math.log(4.0 + 1e-4), math.log(1.0 + 1e-4), math.log(1e-4)]
    assert columns["first_log"] == pytest.approx(logs, abs=1e-3, rel=HALF)
    logs = [math.log(0.8 + 0.05), math.log(0.2 + 0.05), math.log(0.05)]
    assert columns["mix"] == pytest.approx(logs, abs=1e-3, rel=HALF)
    assert columns["rank"] == pytest.approx([0.0, math.log(2), math.log(8)], rel=HALF)
    assert shared["pool_size"] == pytest.approx(math.log(4), rel=HALF)
    assert shared["first_largest"] == pytest.approx(math.log(4.0 + 1e-3), rel=HALF)
    assert shared["second_largest"] == pytest.approx(math.log(1e-3), rel=HALF)


def test_what_is_known_of_an_item() -> None:
    one = world()
    one.counts.like(0, 3)
    one.counts.like(1)
    one.habits.like(0, None, 0, START_MS + HOUR_MS)
    one.habits.like(0, 59_000, 2, START_MS)
    now_ms = START_MS + 3 * HOUR_MS
    user = person((1, now_ms - 9_000))
    user.seen = Seen.of([(0, 3), (7, 9)])
    columns, _ = asked(one, cut_of([0, 1]), user, now_ms)
    expected = {
        "likes": [math.log(4), math.log(2)],
        "age": [math.log(1 + 3), math.log(1 + 3)],
        "like_recency": [math.log(1 + 120), 15.0],
        "usual_pause": [math.log(60), 0.0],
        "usual_depth": [math.log(3), 0.0],
        "pause_difference": [math.log(60) - math.log(10), 0.0],
        "shown_before": [math.log(4), 0.0],
    }
    for name, values in expected.items():
        assert columns[name] == pytest.approx(values, rel=2 * HALF), name
    nobody, _ = asked(one, cut_of([0]), ts_ms=now_ms)
    assert (nobody["pause_difference"], nobody["shown_before"]) == ([0.0], [0.0])


def test_clicks_over_expected_clicks() -> None:
    """One list of both items; its click fell on the first, from where it was expected to 2/3."""
    one = world()
    one.show(0, 1)
    one.table.click(0, ((0, 2 / 3), (1, 1 / 3)), START_MS, surface((), 2))
    columns, _ = asked(one, cut_of([0, 1, 2]), ts_ms=START_MS + HOUR_MS)
    for name, fade in (("1h", 0.5), ("1d", 0.5 ** (1 / 24))):
        lifts = [
            math.log((fade * 1 + 2) / (fade * 2 / 3 + 2)),
            math.log((fade * 0 + 2) / (fade * 1 / 3 + 2)),
        ]
        assert columns[f"click_lift_{name}"] == pytest.approx([*lifts, 0.0], rel=4 * HALF)
        shown = math.log(1 + fade)
        assert columns[f"shown_{name}"] == pytest.approx([shown, shown, 0.0], rel=2 * HALF)
        # Crime: one click, expected once; noir: one click, expected 2/3 times.
        crime = math.log((fade * 1 + 2) / (fade * 1 + 2))
        noir = math.log((fade * 1 + 2) / (fade * 2 / 3 + 2))
        assert columns[f"attribute_lift_{name}"] == pytest.approx(
            [(crime + noir) / 2, crime, 0.0], rel=4 * HALF, abs=1e-6
        )


def test_an_item_in_a_context_against_the_item_everywhere() -> None:
    one = world()
    here, there = surface((111,), 2), surface((222,), 2)
    one.show(0, 1)
    one.table.click(0, ((0, 0.5), (1, 0.5)), START_MS, here)
    found = {
        name: asked(one, cut_of([0, 1, 2]), tokens=tokens)[0]["context_lift"]
        for name, tokens in (("here", here), ("there", there), ("nowhere", NOWHERE))
    }
    assert found["nowhere"] == [0.0] * 3
    # The item's own rate by its longest window is 3/2.5 of what is expected.
    rate = (1 + 2) / (0.5 + 2)
    lift = math.log((1 + 3 * rate) / ((0.5 + 3) * rate))
    loss = math.log(3 * (2 / 2.5) / ((0.5 + 3) * (2 / 2.5)))
    assert found["here"] == pytest.approx([lift, loss, 0.0], rel=4 * HALF)
    # Of the two tokens of the other surface, only the length of the list has been seen.
    assert found["there"] == pytest.approx([lift / 2, loss / 2, 0.0], rel=4 * HALF)


def test_what_a_list_shows_is_counted_like_one_after_the_other() -> None:
    one, other = world(), world()
    windows = some_windows()
    for keys in windows[:2]:
        keys.grow(9)
    for ts_ms, shown in ((START_MS, [1, 0, 1]), (START_MS + HOUR_MS, [2, 1]), (START_MS, [0])):
        expected = sum(int(one.counts.shown[item]) < 2 for item in shown)
        assert one.table.show(np.array(shown, np.int32), ts_ms, 2) == expected
        for item in shown:
            other.counts.shown[item] += 1
            other.counts.total_shown += 1
            windows.items.add(item, SHOWN, ts_ms)
        for item in shown:
            for token in one.catalogue[item].tokens:
                windows.attributes.add(token, SHOWN, ts_ms)
    assert one.counts.snapshot() == other.counts.snapshot()
    assert one.counts.base_rate == other.counts.base_rate
    for found, keys in zip(one.windows[:2], windows[:2], strict=True):
        np.testing.assert_array_equal(found.counts[: found.n_keys], keys.counts[: found.n_keys])
        np.testing.assert_array_equal(found.last_ms[: found.n_keys], keys.last_ms[: found.n_keys])
    assert windows.attributes.counts.any()


def test_a_surface_is_the_length_of_the_list_and_eight_entries_of_the_context() -> None:
    assert surface((), 10).tolist() == [4]
    assert surface((), 15).tolist() == [4]
    assert surface((), 16).tolist() == [5]
    assert surface(tuple(range(100, 120)), 1).tolist() == [1, *range(100, 108)]


def test_what_is_known_of_a_person() -> None:
    one = world()
    one.counts.like(1, 6)
    one.show(0, 1, 2)
    one.counts.click(0)
    times = [START_MS + minute * 60_000 for minute in (0, 10, 50, 60, 61, 63)]
    user = person(*zip([0, 2, 0, 2, 0, 1], times, strict=True))
    user.shown, user.clicks = 30, 6
    _, shared = asked(one, cut_of([0]), user, times[-1] + 30_000, list_size=7)
    base = (1 + 1) / (3 + 20)
    expected = {
        "pause": math.log(31),
        "same_moment": 0.0,
        "within_a_minute": 1.0,
        "session_size": math.log(1 + 4),
        "history_size": math.log(1 + 6),
        "last_likes": math.log(1 + 6),
        "last_five_span": math.log(1 + 53 * 60),
        "own_click_rate": math.log((6 + 10 * base) / (30 + 10) / base),
        "own_shown": math.log(31),
        "list_size": math.log(8),
    }
    for name, value in expected.items():
        assert shared[name] == pytest.approx(value, rel=2 * HALF), name


@pytest.mark.parametrize(
    ("hour", "sine", "cosine"), [(0, 0.0, 1.0), (6, 1.0, 0.0), (15, -0.7071, -0.7071)]
)
def test_the_hour_is_a_place_on_a_circle(hour: int, sine: float, cosine: float) -> None:
    midnight_ms = START_MS - START_MS % (24 * HOUR_MS)
    _, shared = asked(world(), cut_of([0]), ts_ms=midnight_ms + hour * HOUR_MS)
    assert shared["hour_sine"] == pytest.approx(sine, abs=1e-3)
    assert shared["hour_cosine"] == pytest.approx(cosine, abs=1e-3)


def test_of_a_stranger_nothing_is_known() -> None:
    _, shared = asked(world(), cut_of([0]))
    assert shared["pause"] == -1.0
    for name in ("same_moment", "within_a_minute", "session_size", "history_size", "last_likes"):
        assert shared[name] == 0.0, name
    assert shared["own_click_rate"] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("ts_ms", [0, START_MS - HOUR_MS, START_MS, 250_000_000_000_000])
def test_whatever_happened_in_whatever_order_features_are_finite(ts_ms: int) -> None:
    one = world()
    one.show(0, 1)
    one.table.click(0, ((0, 0.5), (1, 0.5)), START_MS, surface((1,), 2))
    one.habits.like(0, -HOUR_MS, 3, START_MS)
    # Events come as they come: the newest like is not the one with the latest time.
    user = person((0, START_MS), (1, START_MS - HOUR_MS), (0, 5))
    one.bandit.learn(user, 0, 1.0, shown=True)
    rows, shared, *_ = one.table.ask(
        Asker.at(user, ts_ms, NONE), cut_of([0, -1, 2], [1e-30, 0.0, 1e30]), surface((1,), 3), 3
    )
    assert np.isfinite(rows).all()
    assert np.isfinite(shared).all()


def test_an_item_that_the_catalogue_lacks_is_one_that_nobody_speaks_for() -> None:
    one = world()
    one.pool.add(np.array([0], np.int32))
    one.pool.scores[:, 0] = [4.0, 2.0]
    cut = cut_of([0, -1, 2], [0.8, 0.0, 0.0], (4.0, 2.0), pooled=[0, -1, -1])
    columns, _ = asked(one, cut)
    for name in ("first_relative", "second_log", "mix", "like_recency", "taste", "shown_1h"):
        assert columns[name][1] == columns[name][2], name
    assert columns["mix"][0] > columns["mix"][1]


def test_what_is_left_of_a_family_is_what_it_was() -> None:
    one = world()
    windows = some_windows()
    parts = (one.pool, one.catalogue, one.counts, one.habits, windows, [one.bandit])
    whole, less = FeatureTable(*parts), FeatureTable(*parts, without=["counts", "windows"])
    whole.grow()
    whole.show(np.array([0], np.int32), START_MS)
    asker, cut = Asker.at(User(user_id="u"), START_MS, NONE), cut_of([0, 2, -1], [0.5, 0.1, 0.0])
    all_, left = (table.ask(asker, cut, surface((), 3), 3) for table in (whole, less))
    places = [whole.places[name] for name in less.columns]
    np.testing.assert_array_equal(left.rows, all_.rows[:, places])
    np.testing.assert_array_equal(left.shared, all_.shared)
    # What learners are compiled for.
    assert left.rows.flags.c_contiguous
    assert {*less.columns, *less.left_out} == set(whole.columns)
    assert FeatureTable(*parts, without=["request"]).ask(asker, cut, NOWHERE, 0).shared.size == 0


def test_before_there_is_any_item_there_are_features_all_the_same() -> None:
    catalogue = Catalogue(CatalogueSettings())
    pool = Pool(["first", "second"])
    one, crossings = WindowCounts((60.0,)), WindowCounts((60.0,))
    crossings.grow(8)
    windows = Windows(one, WindowCounts((60.0,)), crossings)
    table = FeatureTable(pool, catalogue, ItemCounts(), ItemHabits(), windows, [])
    asker = Asker.at(User(user_id="u"), 0, NONE)
    rows, shared, *_ = table.ask(asker, cut_of([-1, -1]), surface((), 2), 2)
    assert rows.shape == (2, len(table.columns))
    assert rows[0, table.places["mix"]] == pytest.approx(math.log(0.05), rel=HALF)
    assert np.isfinite(rows).all()
    assert np.isfinite(shared).all()


def test_values_are_those_that_are_logged() -> None:
    one = world()
    one.counts.like(0, 1234)
    one.counts.like(1, 77)
    rows, shared, logged_rows, logged_shared = one.table.ask(
        Asker.at(User(user_id="u"), START_MS + 12_345, NONE), cut_of([0, 1]), NOWHERE, 3
    )
    for values, logged in ((rows, logged_rows), (shared, logged_shared)):
        assert logged.dtype == "<f2"
        np.testing.assert_array_equal(values, logged.astype(np.float32))


class Loud(UserModel):
    """Answers numbers that float16 has no room for."""

    @override
    def features(self, user: User, items: NDArray[np.int32]) -> NDArray[np.float32]:
        return np.array([[1e30], [-1e30]], np.float32)


def test_answers_too_large_for_their_format_are_cut() -> None:
    one = world()
    bandit = PersonalBandit(PersonalBanditSettings(), one.catalogue)
    models = [bandit, Loud(UserModelSettings(enabled=True), one.catalogue, b"k" * 32)]
    table = FeatureTable(one.pool, one.catalogue, one.counts, one.habits, some_windows(), models)
    table.grow()
    fan = User(user_id="u", tastes=Tastes.of([(0, 1e30, 1.0, 0)], 0))
    rows, *_ = table.ask(Asker.at(fan, 0, NONE), cut_of([0, 1]), NOWHERE, 2)
    assert one.catalogue[1].tokens == [0]
    assert rows[:, table.places["user_model"]].tolist() == [65504.0, -65504.0]
    assert rows[1, table.places["taste"]] == 65504.0
