"""Transitions against the formula of their docstring, written out in plain loops."""

import math
from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.candidates.transitions import Transitions
from recsys.settings import TransitionSettings
from recsys.users import User

N_ITEMS = 15
Like = tuple[int, int, int, float]
"""User, item, time in milliseconds, strength."""


class BruteForce:
    """C as a dictionary; every sum spelled out."""

    def __init__(self, settings: TransitionSettings) -> None:
        self.settings = settings
        self.together = defaultdict[tuple[int, int], float](float)
        self.likes = [0.0] * N_ITEMS

    def kernel(self, user: User, now_ms: int) -> list[tuple[int, float]]:
        newest_first = list(zip(user.items, user.times_ms, strict=True))[::-1]
        weights = list[tuple[int, float]]()
        for x, (item, ts_ms) in enumerate(newest_first[: self.settings.history]):
            gap_s = abs(now_ms - ts_ms) / 1000
            nearness = max(math.exp(-gap_s / self.settings.gap_s), self.settings.gap_floor)
            weights.append((item, self.settings.lag_decay**x * nearness))
        return weights

    def learn(self, user: User, item: int, ts_ms: int, strength: float) -> None:
        for past, weight in self.kernel(user, ts_ms):
            if past != item:
                self.together[past, item] += weight * strength
                self.together[item, past] += weight * strength
        self.likes[item] += strength

    def scores(self, user: User) -> list[float]:
        if not user.items:
            return [0.0] * N_ITEMS
        shrink = self.settings.shrink
        return [
            sum(
                weight
                * self.together[past, item]
                / math.sqrt((self.likes[past] + shrink) * (self.likes[item] + shrink))
                for past, weight in self.kernel(user, user.times_ms[-1])
            )
            for item in range(N_ITEMS)
        ]


def random_likes(seed: int, n: int = 150) -> list[Like]:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(400_000.0, n)).astype(int).tolist()
    return [
        (int(rng.integers(4)), int(rng.integers(N_ITEMS)), ts_ms, float(rng.uniform(0.1, 1.0)))
        for ts_ms in times
    ]


def made(settings: TransitionSettings) -> Transitions:
    source = Transitions(settings)
    source.grow(N_ITEMS)
    return source


def taught(
    source: Transitions | BruteForce, likes: list[Like], users: list[User] | None = None
) -> list[User]:
    users = users or [User(user_id=f"u{n}") for n in range(4)]
    for number, item, ts_ms, strength in likes:
        source.learn(users[number], item, ts_ms, strength)
        users[number].like(item, ts_ms, 30)
    return users


def scored(source: Transitions, users: list[User]) -> NDArray[np.float32]:
    return np.array([source.scores(user, 0) for user in users])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "settings",
    [
        TransitionSettings(),
        TransitionSettings(history=3, lag_decay=0.5, gap_s=200.0, gap_floor=0.0, shrink=0.5),
        TransitionSettings(history=30, lag_decay=1.0, gap_s=1e9, shrink=100.0),
    ],
    ids=["default", "short", "long"],
)
def test_scores_are_the_formula(settings: TransitionSettings, seed: int) -> None:
    source, oracle = made(settings), BruteForce(settings)
    likes = random_likes(seed)
    users = taught(source, likes)
    oracle_users = taught(oracle, likes)
    assert users == oracle_users
    expected = [oracle.scores(user) for user in users]
    np.testing.assert_allclose(scored(source, users), expected, rtol=2e-5, atol=1e-9)
    assert np.max(expected) > 0.0


def test_a_pause_does_not_silence_the_source() -> None:
    source = made(TransitionSettings())
    (user, *_) = taught(source, [(0, 1, 1000, 1.0), (0, 2, 2000, 1.0)])
    now, later = source.scores(user, 3000), source.scores(user, 10**12)
    assert now[1] > 0.0
    np.testing.assert_array_equal(now, later)


def test_no_item_follows_itself() -> None:
    source = made(TransitionSettings())
    (user, *_) = taught(source, [(0, 1, 1000, 1.0), (0, 1, 2000, 1.0)])
    assert source.scores(user, 3000).tolist() == [0.0] * N_ITEMS


def test_rows_keep_to_their_bound_and_the_weakest_goes() -> None:
    source = made(TransitionSettings(neighbours=3, history=1, gap_floor=1.0))
    alone = User(user_id="alone", items=[0], times_ms=[0])
    strengths = {1: 0.5, 2: 0.1, 3: 0.9, 4: 0.3, 5: 0.7}
    for item, strength in strengths.items():
        source.learn(alone, item, 0, strength)
    followers = np.flatnonzero(source.scores(alone, 0)).tolist()
    # 4 took the place of 2, and 5 that of 4: each time the weakest of three.
    assert followers == [1, 3, 5]
    assert source.evicted == 2


@pytest.mark.parametrize(("before", "after"), [(12, 4), (4, 12), (6, 6)])
def test_a_snapshot_resumes_under_another_bound(before: int, after: int) -> None:
    first = made(TransitionSettings(neighbours=before))
    # So few likes that rows are filled to different lengths.
    users = taught(first, random_likes(1, n=20))
    resumed, again = (Transitions(TransitionSettings(neighbours=after)) for _ in range(2))
    resumed.restore(first.snapshot())
    np.testing.assert_array_equal(scored(resumed, users), scored(first, users))
    taught(resumed, random_likes(2), users)
    again.restore(resumed.snapshot())
    np.testing.assert_array_equal(scored(resumed, users), scored(again, users))
    assert again.snapshot() == resumed.snapshot()


def test_rows_that_a_former_bound_made_long_take_in_no_more_than_they_lose() -> None:
    wide = made(TransitionSettings(neighbours=12))
    users = taught(wide, random_likes(1))
    narrow = Transitions(TransitionSettings(neighbours=4))
    narrow.restore(wide.snapshot())
    size = len(narrow.snapshot())
    taught(narrow, random_likes(2), users)
    assert narrow.evicted > 0
    assert len(narrow.snapshot()) <= size
