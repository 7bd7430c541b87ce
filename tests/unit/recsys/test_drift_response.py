"""What an alarm does: exploration, doubt and haste, for a while, in the state alone."""

import logging

import pytest

from recsys.drift.response import DriftWatch
from recsys.engine import Engine
from recsys.policies.build import build_policy
from recsys.policies.squarecb import SquareCB
from recsys.settings import (
    ArmSettings,
    DriftSettings,
    EngineSettings,
    EpsilonGreedySettings,
    Ranker,
    ShardDriftSettings,
    SoftmaxSettings,
    SquareCBSettings,
    UserDriftSettings,
)
from recsys.store.memory import MemoryStore
from recsys.users import User
from tests.engines import KEY, ask, asked, engine_with, feedback, items

QUICK = DriftSettings(
    user=UserDriftSettings(lists=4, threshold=1.0, exploration=10.0, half_life_lists=2.0, widen=0.5)
)
WARY = DriftSettings(
    shard=ShardDriftSettings(
        delta=0.5, exploration=4.0, half_life_lists=3.0, widen=0.5, haste=3.0, hurried_choices=2
    )
)


def engine(drift: DriftSettings = QUICK) -> Engine:
    return engine_with(items(30), EngineSettings(drift=drift))


def person(one: Engine, name: str = "u") -> User:
    found = one.state.users.get(name)
    assert found is not None
    return found


def live(one: Engine, first: int, last: int, *, clicks: int, name: str = "u") -> None:
    """Let a person look at lists, and click the first few items of each."""
    for number in range(first, last):
        at_ms = 10_000 * number + 1000
        shown = asked(one, name, f"{name}{number}", at_ms, n=4).slots[:clicks]
        one.apply(
            [
                feedback(name, slot.item_id, at_ms + 100, "view", decision_id=f"{name}{number}")
                for slot in shown
            ]
        )


def disturb(watch: DriftWatch) -> None:
    """Let the ranker's loss rise until there is an alarm."""
    for step in range(2000):
        watch.learned(0.1 if step < 300 else 0.9, 5000)
        if "shard_loss" in watch.stats.alarms:
            return
    pytest.fail("no alarm")


def test_a_person_who_stops_clicking_is_explored_more_and_calms_down() -> None:
    one = engine()
    live(one, 0, 10, clicks=3)
    assert one.state.drift.exploration(person(one)) == 1.0
    live(one, 10, 14, clicks=0)
    assert one.stats().drift.alarms["user_clicks"] == 1
    start = person(one).unrest.restlessness
    assert 0.25 <= start <= 1.0
    assert one.state.drift.exploration(person(one)) == 1.0 + 9.0 * start
    live(one, 14, 16, clicks=0)
    assert person(one).unrest.restlessness == pytest.approx(start / 2.0)
    live(one, 16, 40, clicks=0)
    assert one.state.drift.exploration(person(one)) == 1.0


def test_the_probabilities_told_are_those_of_the_changed_policy() -> None:
    one = engine()
    live(one, 0, 10, clicks=3)
    live(one, 10, 13, clicks=0)
    user = person(one)
    user.unrest.restlessness = 0.0
    calm = max(slot.propensity for slot in ask(one, "u", "calm", 200_000, n=1).slots)
    user.unrest.restlessness = 1.0
    policy = one.settings.arms["learner"].policy
    assert isinstance(policy, SquareCBSettings)
    gamma = policy.gamma / 10.0
    found = set[bool]()
    for number in range(40):
        # With all candidates in the list, their scores are known, and the first slot is the draw.
        slots = ask(one, "u", f"lot{number}", 200_000, n=30).slots
        scores = sorted((slot.score for slot in slots), reverse=True)
        chances = [1.0 / (len(scores) + gamma * (scores[0] - score)) for score in scores]
        if is_best := slots[0].score == scores[0]:
            expected = 1.0 - sum(chances[1:])
            assert expected < calm
        else:
            expected = chances[scores.index(slots[0].score)]
        assert slots[0].propensity == pytest.approx(expected, rel=1e-6)
        found.add(is_best)
    assert found == {True, False}


@pytest.mark.parametrize(
    ("ranker", "more"), [("learner", True), ("mix", True), ("popularity", False)]
)
def test_the_arms_with_and_without_the_ranker_explore_alike(ranker: Ranker, more: bool) -> None:
    policy = EpsilonGreedySettings(epsilon=0.05)
    settings = EngineSettings(drift=QUICK, arms={"a": ArmSettings(ranker=ranker, policy=policy)})
    one = engine_with(items(30), settings)
    live(one, 0, 10, clicks=3)
    best = []
    for restlessness in (0.0, 1.0):
        person(one).unrest.restlessness = restlessness
        slots = [ask(one, "u", f"lot{number}", 200_000, n=1).slots[0] for number in range(40)]
        best.append(max(slot.propensity for slot in slots))
    assert (best[1] < best[0] - 0.3) is more


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (SquareCBSettings(gamma=300.0), "gamma", 75.0),
        (SoftmaxSettings(temperature=0.02), "temperature", 0.08),
        (EpsilonGreedySettings(epsilon=0.1), "epsilon", 0.4),
        (EpsilonGreedySettings(epsilon=0.5), "epsilon", 1.0),
    ],
)
def test_each_policy_explores_more_in_its_own_way(
    settings: SquareCBSettings | SoftmaxSettings | EpsilonGreedySettings, name: str, value: float
) -> None:
    assert getattr(build_policy(settings, 4.0), name) == pytest.approx(value)
    assert build_policy(SquareCBSettings(gamma=7.0)) == SquareCB(gamma=7.0)


def test_an_alarm_widens_what_is_believed_of_the_person() -> None:
    def left(widen: float) -> dict[int, float]:
        user = QUICK.user.model_copy(update={"widen": widen})
        one = engine(QUICK.model_copy(update={"user": user}))
        live(one, 0, 10, clicks=3)
        live(one, 10, 14, clicks=0)
        assert one.stats().drift.alarms == {"user_clicks": 1}
        return person(one).tastes.left

    sure, doubtful = left(0.0), left(0.9)
    assert sure.keys() == doubtful.keys()
    assert sure
    assert all(sure[token] < doubtful[token] <= 1.0 for token in sure)


def test_the_list_after_an_alarm_is_judged_like_any_other() -> None:
    one = engine()
    live(one, 0, 10, clicks=3)
    number = 10
    while not one.stats().drift.alarms:
        live(one, number, number + 1, clicks=0)
        number += 1
    unrest = person(one).unrest
    assert (unrest.slots, unrest.clicks, unrest.lists) == (4, 0, 0)
    live(one, number, number + 1, clicks=2)
    assert person(one).unrest.lists == 1


def test_a_history_is_cut_only_where_the_settings_say_so() -> None:
    def history(*, forget: bool) -> list[int]:
        user = QUICK.user.model_copy(update={"forget": forget})
        one = engine(QUICK.model_copy(update={"user": user}))
        live(one, 0, 10, clicks=3)
        live(one, 10, 14, clicks=0)
        assert one.stats().drift.alarms == {"user_clicks": 1}
        times_ms: list[int] = person(one).times_ms.tolist()
        return times_ms

    assert history(forget=True) == []
    assert len(history(forget=False)) > 5


def test_a_shard_alarm_hurries_the_ranker_and_doubts_everybody() -> None:
    one = engine(WARY)
    live(one, 0, 3, clicks=2)
    watch = one.state.drift
    before = person(one).tastes.left
    assert (watch.haste, watch.hurries, watch.exploration(person(one))) == (1.0, False, 1.0)
    disturb(watch)
    assert (watch.haste, watch.hurries, watch.exploration(person(one))) == (3.0, True, 4.0)
    assert person(one).tastes.left == before, "people are touched when they come"
    live(one, 3, 4, clicks=0)
    after = person(one).tastes.left
    assert all(after[token] == pytest.approx((v + 1.0) / 2.0) for token, v in before.items())
    watch.learned(0.9, 6000)
    watch.learned(0.9, 6000)
    assert (watch.haste, watch.hurries) == (1.0, False)


def test_an_alarm_is_one_line_without_the_name(caplog: pytest.LogCaptureFixture) -> None:
    one = engine()
    with caplog.at_level(logging.INFO, logger="recsys.drift"):
        live(one, 0, 10, clicks=3, name="secret name")
        live(one, 10, 14, clicks=0, name="secret name")
        disturb(one.state.drift)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == sum(one.stats().drift.alarms.values())
    assert not [line for line in lines if "secret" in line]
    assert any("user" in line for line in lines)
    assert any("shard" in line for line in lines)


def test_switched_off_nothing_is_noticed() -> None:
    one = engine(QUICK.model_copy(update={"enabled": False}))
    live(one, 0, 10, clicks=3)
    live(one, 10, 20, clicks=0)
    for step in range(1000):
        one.state.drift.learned(0.1 if step < 300 else 0.9, 5000)
    assert one.stats().drift.alarms == {}
    assert one.state.drift.exploration(person(one)) == 1.0


def test_asking_leaves_the_watch_as_it_is() -> None:
    one = engine()
    live(one, 0, 14, clicks=0)
    before = one.fingerprint()
    for number in range(20):
        ask(one, "u", f"more{number}", 300_000, n=4)
    assert one.fingerprint() == before


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    one = engine(WARY)
    live(one, 0, 6, clicks=2)
    disturb(one.state.drift)
    other = DriftWatch(WARY, one.state.personal_bandit, KEY)
    other.restore(one.state.drift.snapshot())
    assert other.stats == one.state.drift.stats
    for watch in (one.state.drift, other):
        for step in range(600):
            watch.learned(0.2 if step < 300 else 0.8, 7000)
    assert one.state.drift.snapshot() == other.snapshot()


@pytest.mark.parametrize("stop", [8, 11, 13])
def test_a_restart_around_an_alarm_changes_no_byte(stop: int) -> None:
    settings = EngineSettings(drift=QUICK)
    straight, store = engine(), MemoryStore()
    first = engine_with(items(30), settings, store)
    for one in (straight, first):
        live(one, 0, min(stop, 10), clicks=3)
        live(one, 10, stop, clicks=0)
    first.snapshot()
    again = Engine(store.reopened(), settings, KEY)
    for one in (straight, again):
        live(one, max(stop, 10), 16, clicks=0)
        assert one.stats().drift.alarms["user_clicks"] >= 1
    assert again.fingerprint() == straight.fingerprint()
