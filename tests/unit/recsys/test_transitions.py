"""Transitions against the formulas of their docstring, written out in plain loops."""

import math
from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.candidates import transitions
from recsys.candidates.base import Asker
from recsys.candidates.pool import Pool
from recsys.candidates.transitions import Transitions
from recsys.errors import IncompatibleState
from recsys.settings import TransitionKernel, TransitionSettings
from recsys.users import User
from tests.pools import person, pool_of, proposals, scores

N_ITEMS = 15
START_MS = 1_700_000_000_000
DAY_MS = 86_400_000
Like = tuple[int, int, int, float]
"""User, item, time in milliseconds, strength."""


@pytest.fixture(autouse=True, params=["all", "packed"])
def _places(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give places in the sums to all items, as in a small catalogue, or only to neighbours."""
    if request.param == "packed":
        monkeypatch.setattr(transitions, "_FEW", 0)


class BruteForce:
    """One kernel: C as a list of bonds, every sum spelled out."""

    def __init__(self, kernel: TransitionKernel, shrink: float) -> None:
        self.kernel = kernel
        self.shrink = shrink
        self.bonds = list[tuple[int, int, float, int]]()
        self.likes = [0.0] * N_ITEMS

    def weights(
        self, user: User, now_ms: int, all_kernels: dict[str, TransitionKernel]
    ) -> list[tuple[int, float]]:
        found = list[tuple[int, float]]()
        newest_first = list(zip(user.items.tolist(), user.times_ms.tolist(), strict=True))[::-1]
        for x, (item, ts_ms) in enumerate(newest_first):
            gap_s = abs(now_ms - ts_ms) / 1000
            if max(weight_of(one, x, gap_s) for one in all_kernels.values()) < 1e-3:
                break
            found.append((item, weight_of(self.kernel, x, gap_s)))
        return found

    def learn(
        self,
        user: User,
        item: int,
        ts_ms: int,
        strength: float,
        all_kernels: dict[str, TransitionKernel],
    ) -> None:
        for past, weight in self.weights(user, ts_ms, all_kernels):
            if past != item:
                if self.kernel.direction != "backward":
                    self.bonds.append((past, item, weight * strength, ts_ms))
                if self.kernel.direction != "forward":
                    self.bonds.append((item, past, weight * strength, ts_ms))
        self.likes[item] += strength

    def scores(
        self, user: User, now_ms: int, all_kernels: dict[str, TransitionKernel]
    ) -> list[float]:
        total = [0.0] * N_ITEMS
        if not len(user.items):
            return total
        together = defaultdict[tuple[int, int], float](float)
        mass = [0.0] * N_ITEMS
        for first, then, weight, ts_ms in self.bonds:
            half_life_s = self.kernel.half_life_s or math.inf
            together[first, then] += weight * 0.5 ** ((now_ms - ts_ms) / 1000 / half_life_s)
            mass[first] += weight
        for past, weight in self.weights(user, int(user.times_ms[-1]), all_kernels):
            for item in range(N_ITEMS):
                bond = weight * together[past, item]
                if self.kernel.normalise == "share":
                    total[item] += bond / (mass[past] + 3.0)
                else:
                    rarity = (self.likes[past] + self.shrink) * (self.likes[item] + self.shrink)
                    total[item] += bond / math.sqrt(rarity)
        return total


def weight_of(kernel: TransitionKernel, x: int, gap_s: float) -> float:
    if x >= kernel.history:
        return 0.0
    weight = kernel.lag_decay**x * max(math.exp(-gap_s / kernel.gap_s), kernel.gap_floor)
    return weight if weight > 1e-6 else 0.0


def random_likes(seed: int, n: int = 150) -> list[Like]:
    rng = np.random.default_rng(seed)
    pauses = rng.exponential(400_000.0, n) * (rng.random(n) < 0.7)
    times = START_MS + np.cumsum(pauses).astype(int)
    return [
        (int(rng.integers(4)), int(rng.integers(N_ITEMS)), ts_ms, float(rng.uniform(0.1, 1.0)))
        for ts_ms in times.tolist()
    ]


def with_kernels(neighbours: int = 256, **kernels: TransitionKernel) -> TransitionSettings:
    return TransitionSettings(neighbours=neighbours, kernels=kernels)


def made(settings: TransitionSettings) -> Transitions:
    source = Transitions(settings)
    source.grow(N_ITEMS)
    return source


def people() -> list[User]:
    return [User(user_id=f"u{n}") for n in range(4)]


def taught(source: Transitions, likes: list[Like], users: list[User] | None = None) -> list[User]:
    users = users or people()
    for number, item, ts_ms, strength in likes:
        source.learn(users[number], item, ts_ms, strength)
        users[number].like(item, ts_ms, 60)
    return users


def scored(source: Transitions, users: list[User], ts_ms: int) -> NDArray[np.float32]:
    return np.array([scores(source, user, ts_ms, N_ITEMS) for user in users])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "settings",
    [
        TransitionSettings(),
        with_kernels(
            short=TransitionKernel(history=3, lag_decay=0.5, gap_s=200.0),
            long=TransitionKernel(history=30, lag_decay=1.0, gap_s=1e9),
        ),
        with_kernels(only=TransitionKernel(gap_floor=0.05, gap_s=1800.0)),
        with_kernels(only=TransitionKernel(half_life_s=7200.0, direction="backward")),
        with_kernels(
            shared=TransitionKernel(normalise="share", direction="backward", gap_s=1e5),
            fast=TransitionKernel(half_life_s=600.0, gap_s=1e5),
        ),
    ],
    ids=["default", "short and long", "floor", "forgetful", "share and fast"],
)
def test_scores_are_the_formulas(settings: TransitionSettings, seed: int) -> None:
    source, kernels = made(settings), settings.kernels
    oracles = [BruteForce(kernel, settings.shrink) for kernel in kernels.values()]
    likes = random_likes(seed)
    users, twins = taught(source, likes), people()
    for number, item, ts_ms, strength in likes:
        for oracle in oracles:
            oracle.learn(twins[number], item, ts_ms, strength, kernels)
        twins[number].like(item, ts_ms, 60)
    assert users == twins
    for later_ms in (0, 1_000_000):
        now_ms = likes[-1][2] + later_ms
        expected = np.array(
            [[oracle.scores(user, now_ms, kernels) for oracle in oracles] for user in users]
        ).transpose(0, 2, 1)
        np.testing.assert_allclose(scored(source, users, now_ms), expected, rtol=2e-4, atol=1e-7)
        assert (expected.max(axis=(0, 1)) > 0.0).all(), "a kernel says nothing at all"


def test_one_bond_by_hand() -> None:
    """1 at 0 s, then 2 at 60 s, by one person; another liked 1 just now, or 2."""
    settings = with_kernels(
        both=TransitionKernel(gap_s=60.0),
        later=TransitionKernel(gap_s=60.0, direction="forward"),
        earlier=TransitionKernel(gap_s=60.0, direction="backward"),
        next=TransitionKernel(gap_floor=1.0, direction="forward", normalise="share"),
    )
    source = made(settings)
    source.learn(person(), 1, START_MS, 1.0)
    source.learn(person((1, START_MS)), 2, START_MS + 60_000, 0.5)
    now_ms = START_MS + 60_000
    bond = 0.5 * math.exp(-1.0)
    cosine = bond / math.sqrt((1.0 + 10.0) * (0.5 + 10.0))
    after_1 = scores(source, person((1, now_ms)), now_ms, N_ITEMS)
    after_2 = scores(source, person((2, now_ms)), now_ms, N_ITEMS)
    assert after_1[2].tolist() == pytest.approx([cosine, cosine, 0.0, 0.5 / (0.5 + 3.0)], rel=1e-5)
    assert after_2[1].tolist() == pytest.approx([cosine, 0.0, cosine, 0.0], rel=1e-5)
    assert np.count_nonzero(after_1) == 3
    assert np.count_nonzero(after_2) == 2


@pytest.mark.parametrize("half_lives", [0, 1, 3, 39, 41, 90])
def test_bonds_halve_with_their_half_life(half_lives: int) -> None:
    source = made(
        with_kernels(
            lasting=TransitionKernel(), hasty=TransitionKernel(half_life_s=100.0, gap_s=1e6)
        )
    )
    source.learn(person((1, START_MS)), 2, START_MS, 1.0)
    later_ms = START_MS + 100_000 * half_lives
    before = scores(source, person((1, later_ms)), later_ms, N_ITEMS)[2]
    assert before[1] == pytest.approx(before[0] * 0.5**half_lives, rel=1e-4, abs=1e-30)
    # A lesson long after brings the weights back to the present; the old ones count as they did.
    source.learn(person((3, later_ms)), 4, later_ms, 1.0)
    after = scores(source, person((1, later_ms)), later_ms, N_ITEMS)[2]
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-30)
    new = scores(source, person((3, later_ms)), later_ms, N_ITEMS)[4]
    assert new[1] == pytest.approx(new[0], rel=1e-5)


@pytest.mark.parametrize("ts_ms", [0, START_MS, START_MS + 10**13])
def test_whenever_it_is_asked_scores_are_finite(ts_ms: int) -> None:
    source = made(with_kernels(hasty=TransitionKernel(half_life_s=1.0)))
    source.learn(person((1, START_MS)), 2, START_MS, 1.0)
    source.learn(person((1, START_MS)), 3, START_MS + 39_000, 1.0)
    assert np.isfinite(scores(source, person((1, START_MS)), ts_ms, N_ITEMS)).all()


def test_a_pause_does_not_silence_the_source() -> None:
    source = made(with_kernels(only=TransitionKernel()))
    (user, *_) = taught(source, [(0, 1, START_MS, 1.0), (0, 2, START_MS + 1000, 1.0)])
    now, later = (scores(source, user, START_MS + pause, N_ITEMS) for pause in (2000, 10**12))
    assert now[1, 0] > 0.0
    np.testing.assert_array_equal(now, later)


def test_no_item_follows_itself() -> None:
    source = made(TransitionSettings())
    (user, *_) = taught(source, [(0, 1, START_MS, 1.0), (0, 1, START_MS + 1000, 1.0)])
    assert not scores(source, user, START_MS + 2000, N_ITEMS).any()


def test_neighbours_of_the_history_are_proposed_and_no_others() -> None:
    source = made(TransitionSettings())
    taught(source, [(0, 1, START_MS, 1.0), (0, 2, START_MS, 1.0), (1, 3, START_MS, 1.0)])
    assert proposals(source, person((1, START_MS)), START_MS, N_ITEMS) == {2}
    assert proposals(source, person((3, START_MS), (2, START_MS)), START_MS, N_ITEMS) == {1}
    assert proposals(source, person(), START_MS, N_ITEMS) == set()
    assert pool_of(source, person((1, START_MS)), START_MS, N_ITEMS, [2, 5]).count == 2


def test_likes_of_weeks_ago_say_nothing_to_kernels_of_minutes() -> None:
    source = made(with_kernels(only=TransitionKernel(gap_s=600.0)))
    old, new = START_MS - 21 * DAY_MS, START_MS
    source.learn(person((1, old), (2, new)), 3, new, 1.0)
    assert proposals(source, person((1, new)), new, N_ITEMS) == set()
    assert proposals(source, person((2, new)), new, N_ITEMS) == {3}


@pytest.mark.parametrize(
    "kernel",
    [TransitionKernel(history=1), TransitionKernel(history=1, half_life_s=1000.0)],
    ids=["lasting", "forgetful"],
)
def test_rows_keep_to_their_bound_and_the_weakest_goes(kernel: TransitionKernel) -> None:
    source = made(with_kernels(3, only=kernel))
    alone = person((0, START_MS))
    strengths = {1: 0.5, 2: 0.1, 3: 0.9, 4: 0.3, 5: 0.7}
    for item, strength in strengths.items():
        source.learn(alone, item, START_MS, strength)
    # 4 took the place of 2, and 5 that of 4: each time the weakest of three.
    assert proposals(source, alone, START_MS, N_ITEMS) == {1, 3, 5}
    assert source.evicted == 2


def test_who_came_last_does_not_push_out_who_lasts() -> None:
    """Of two kernels, the one that forgets has no say in who stays."""
    kernels = {
        "lasting": TransitionKernel(history=1),
        "hasty": TransitionKernel(history=1, half_life_s=60.0),
    }
    source = made(TransitionSettings(neighbours=2, kernels=kernels))
    alone = person((0, START_MS))
    for number, (item, strength) in enumerate({1: 0.9, 2: 0.2, 3: 0.3}.items()):
        source.learn(alone, item, START_MS + 600_000 * number, strength)
    now_ms = START_MS + 1_200_000
    assert proposals(source, alone, now_ms, N_ITEMS) == {1, 3}


@pytest.mark.parametrize(("direction", "kept"), [("forward", {1, 2, 3}), ("backward", {4, 5, 6})])
def test_a_kernel_of_one_direction_fills_rows_with_that_one_alone(
    direction: str, kept: set[int]
) -> None:
    kernel = TransitionKernel.model_validate({"direction": direction, "history": 1})
    source = made(with_kernels(3, only=kernel))
    for item in (1, 2, 3):
        source.learn(person((0, START_MS)), item, START_MS, 1.0)
    for past in (4, 5, 6):
        source.learn(person((past, START_MS)), 0, START_MS, 1.0)
    assert proposals(source, person((0, START_MS)), START_MS, N_ITEMS) == kept
    assert source.evicted == 0


@pytest.mark.parametrize(("before", "after"), [(4, 12), (6, 6), (12, 11)])
def test_a_snapshot_resumes_under_a_bound_that_its_rows_fit(before: int, after: int) -> None:
    first = made(TransitionSettings(neighbours=before))
    # So few likes that rows are filled to different lengths, none of them beyond eleven.
    users = taught(first, random_likes(1, n=20))
    resumed, again = (Transitions(TransitionSettings(neighbours=after)) for _ in range(2))
    resumed.restore(first.snapshot())
    now_ms = START_MS + 10**8
    np.testing.assert_array_equal(scored(resumed, users, now_ms), scored(first, users, now_ms))
    taught(resumed, random_likes(2), users)
    again.restore(resumed.snapshot())
    np.testing.assert_array_equal(scored(resumed, users, now_ms), scored(again, users, now_ms))
    assert again.snapshot() == resumed.snapshot()


def test_rows_that_do_not_fit_any_more_are_incompatible() -> None:
    wide = made(TransitionSettings(neighbours=12))
    taught(wide, random_likes(1))
    with pytest.raises(IncompatibleState, match=r"up to 12 neighbours, the settings say .* and 4"):
        Transitions(TransitionSettings(neighbours=4)).restore(wide.snapshot())


@pytest.mark.parametrize(
    "others",
    [
        {"near": TransitionKernel()},
        {"near": TransitionKernel(), "other": TransitionKernel()},
        {"far": TransitionKernel(), "near": TransitionKernel()},
    ],
    ids=["fewer", "renamed", "reordered"],
)
def test_other_kernels_are_incompatible(others: dict[str, TransitionKernel]) -> None:
    source = made(with_kernels(near=TransitionKernel(), far=TransitionKernel()))
    with pytest.raises(IncompatibleState, match="learned with the kernels"):
        Transitions(TransitionSettings(kernels=others)).restore(source.snapshot())


def crowded(leaders: int) -> tuple[Transitions, User]:
    """Return a source whose first item has a thousand neighbours, liked from once to ten times."""
    n_items = 1001
    source = Transitions(TransitionSettings(neighbours=1000, leaders=leaders))
    source.grow(n_items)
    for item in range(1, n_items):
        for _ in range(1 + item * 7 % 10):
            source.learn(person((0, START_MS)), item, START_MS + 1000, 1.0)
    return source, person((0, START_MS))


@pytest.mark.parametrize("leaders", [1, 20, 100, 500, 2000])
def test_about_the_best_are_proposed(leaders: int) -> None:
    (whole, user), (some, _) = crowded(5000), crowded(leaders)
    all_of_them = pool_of(whole, user, START_MS, 1001)
    pool = pool_of(some, user, START_MS, 1001)
    weights = np.array(whole.weights, np.float32)
    table = all_of_them.table(1001)[1:]
    worth = (table / np.maximum(table.max(axis=0), 1e-20)) @ weights
    kept = pool.items - 1
    assert min(leaders, 1000) <= len(kept)
    # Values within 3 % of each other are not told apart, and of the same value all stay.
    last = np.sort(worth)[::-1][min(leaders, 1000) - 1]
    assert worth[kept].min() > 0.96 * last
    assert set(np.flatnonzero(worth > last)) <= set(kept.tolist())


def test_who_is_proposed_by_another_source_has_all_of_its_scores() -> None:
    (whole, user), (some, _) = crowded(5000), crowded(5)
    pool = Pool(some.columns)
    pool.grow(1001)
    asker = Asker.at(user, START_MS, np.ones(1001, np.bool_))
    some.propose(asker, pool, 0)
    left = np.setdiff1d(np.arange(1, 1001, dtype=np.int32), pool.items)
    assert len(left) >= 900
    pool.add(left[:3])
    some.score(asker, pool, 0)
    expected = pool_of(whole, user, START_MS, 1001).table(1001)
    assert expected[left[:3]].any(axis=1).all()
    assert np.array_equal(pool.table(1001)[pool.items], expected[pool.items])


def test_what_may_not_be_shown_takes_no_place() -> None:
    source, user = crowded(20)
    best = pool_of(source, user, START_MS, 1001).items.tolist()
    others = pool_of(source, user, START_MS, 1001, without=best).items.tolist()
    assert len(others) >= 20
    assert not set(others) & set(best)
