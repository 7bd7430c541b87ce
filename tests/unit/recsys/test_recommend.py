"""From a request to a list: who may be in it, and what is written down about it."""

import math
from collections import Counter

import msgspec
import numpy as np
import pytest

from recsys.decision import Request
from recsys.engine import Engine
from recsys.errors import InvalidEvent
from recsys.events import Decision, Event, Feedback, ItemRemove, ItemUpsert, validate
from recsys.features.base import widen
from recsys.settings import (
    ArmSettings,
    CandidateSettings,
    CatalogueSettings,
    EngineSettings,
    EpsilonGreedySettings,
    GreedySettings,
    LearnerSettings,
    PolicySettings,
    PopularSettings,
    PopularWindow,
    SoftmaxSettings,
    SquareCBSettings,
    UniformSettings,
)
from recsys.views import ArmStats
from tests.engines import ask, asked, engine_with, feedback, item, items, request

POLICIES: dict[str, PolicySettings] = {
    "greedy": GreedySettings(),
    "softmax": SoftmaxSettings(temperature=0.1),
    "epsilon_greedy": EpsilonGreedySettings(epsilon=0.3),
    "squarecb": SquareCBSettings(gamma=50.0),
}
ARMS = {
    f"{ranker}-{name}": ArmSettings(share=1 / 13, ranker=ranker, policy=policy)
    for name, policy in POLICIES.items()
    for ranker in ("learner", "mix", "popularity")
} | {"random": ArmSettings(share=1 / 13, ranker="random", policy=UniformSettings())}
SETTINGS = EngineSettings(arms=ARMS)
LIKES: list[Event] = [
    feedback(f"u{number % 4}", f"i{number * number % 7}", 1000 * number) for number in range(1, 30)
]


def ids(decision: Decision) -> list[str]:
    return [slot.item_id for slot in decision.slots]


def world(settings: EngineSettings = SETTINGS) -> Engine:
    """Return an engine with seven items, some likes, and shown lists."""
    engine = engine_with([*items(7), *LIKES], settings)
    for number in range(5):
        decision = asked(engine, f"u{number}", f"before-{number}", 100_000 + number, n=3)
        engine.apply(
            [feedback(f"u{number}", ids(decision)[0], 200_000, decision_id=decision.event_id)]
        )
    return engine


def question(decision_id: str, **changes: object) -> Request:
    return msgspec.structs.replace(request("u1", decision_id), **changes)


@pytest.mark.parametrize("arm", ARMS)
def test_the_logged_propensities_are_true(arm: str) -> None:
    """How often an item comes first, over many decision ids, is what the log says of it."""
    engine, n = world(), 1500
    shown, logged = Counter[str](), dict[str, float]()
    for number in range(n):
        candidates = tuple(f"i{k}" for k in range(5))
        decision = engine.recommend(
            question(f"d{number}", arm=arm, n=2, candidates=candidates)
        ).decision
        first = decision.slots[0]
        shown[first.item_id] += 1
        before = logged.setdefault(first.item_id, first.propensity)
        assert first.propensity == pytest.approx(before, rel=1e-12)
        validate(decision)
    assert sum(logged.values()) == pytest.approx(1.0, abs=1e-9 if len(logged) == 5 else 0.05)
    for item_id, propensity in logged.items():
        error = 4 * math.sqrt(n * propensity * (1 - propensity))
        assert abs(shown[item_id] - n * propensity) <= error, (item_id, shown, logged)


def test_the_second_place_is_true_given_the_first() -> None:
    engine, n = world(), 2500
    pairs = Counter[tuple[str, str]]()
    firsts = Counter[str]()
    logged = dict[tuple[str, str], float]()
    for number in range(n):
        wanted = question(
            f"d{number}", arm="learner-squarecb", n=2, candidates=("i0", "i1", "i2", "i3")
        )
        first, then = engine.recommend(wanted).decision.slots
        pair = (first.item_id, then.item_id)
        pairs[pair] += 1
        firsts[first.item_id] += 1
        logged[pair] = then.propensity
    for (first_id, then_id), propensity in logged.items():
        times = firsts[first_id]
        error = 4 * math.sqrt(times * propensity * (1 - propensity)) + 1
        assert abs(pairs[first_id, then_id] - times * propensity) <= error


@pytest.mark.parametrize("arm", ARMS)
def test_the_same_question_gets_the_same_answer(arm: str) -> None:
    engine, twin = world(), world()
    answers = [one.recommend(question("d", arm=arm)) for one in (engine, engine, twin)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0].decision.policy == arm
    assert answers[0].decision.model_sequence == engine.stats().sequence


def test_another_question_gets_another_draw() -> None:
    engine = engine_with(items(7), SETTINGS)
    lists = {
        tuple(ids(engine.recommend(question(f"d{n}", arm="random")).decision)) for n in range(20)
    }
    assert len(lists) > 15


@pytest.mark.parametrize("arm", ["random", "learner-squarecb", "popularity-softmax"])
def test_who_may_not_be_shown_never_is(arm: str) -> None:
    engine = engine_with([*items(12), *LIKES], SETTINGS)
    engine.apply(
        [
            feedback("u1", "i8", 50_000, "purchase"),
            ItemRemove(event_id="r", ts_ms=60_000, item_id="i9"),
        ]
    )
    view = engine.user("u1")
    assert view is not None
    consumed = {recent.item_id for recent in view.recent}
    assert "i8" in consumed
    allowed = {f"i{n}" for n in range(12)} - consumed - {"i9", "i10"}
    for number in range(100):
        wanted = question(f"d{number}", arm=arm, exclude=("i10", "never-heard-of"))
        assert set(ids(engine.recommend(wanted).decision)) == allowed


def test_repeats_are_a_setting() -> None:
    settings = EngineSettings(catalogue=CatalogueSettings(repeats=True))
    engine = engine_with([*items(3), feedback("u", "i1", 1000, "purchase")], settings)
    assert set(ids(ask(engine, "u", "d"))) == {"i0", "i1", "i2"}


def test_given_candidates_are_ranked_whatever_they_are() -> None:
    engine = world()
    engine.apply([ItemRemove(event_id="r", ts_ms=900_000, item_id="i3")])
    wanted = question(
        "d",
        arm="learner-greedy",
        candidates=("i3", "i5", "new|1:1 '", "i5", "i0", "also new"),
        exclude=("i0",),
    )
    answer = engine.recommend(wanted)
    # What was removed does not come back by being asked for.
    assert sorted(ids(answer.decision)) == ["also new", "i5", "new|1:1 '"]
    assert answer.unknown_items == ("also new", "i3", "new|1:1 '")


def test_all_candidates_excluded_is_an_empty_list() -> None:
    answer = world().recommend(question("d", candidates=("i1",), exclude=("i1",)))
    assert (answer.decision.slots, answer.unknown_items) == ((), ())
    validate(answer.decision)


@pytest.mark.parametrize("arm", ARMS)
def test_an_empty_catalogue_is_an_empty_list(arm: str) -> None:
    engine = engine_with(settings=SETTINGS)
    decision = engine.recommend(question("d", arm=arm)).decision
    assert decision.slots == ()
    engine.apply([decision])
    assert engine.stats().arms[arm] == ArmStats(decisions=1)
    answer = engine.recommend(question("e", arm=arm, candidates=("a", "b")))
    assert sorted(ids(answer.decision)) == ["a", "b"]
    assert answer.unknown_items == ("a", "b")


@pytest.mark.parametrize("arm", ARMS)
def test_a_list_is_as_long_as_there_are_eligible_items(arm: str) -> None:
    engine = engine_with([*items(30), feedback("u1", "i3", 1000)], SETTINGS)
    assert len(ids(engine.recommend(question("d", arm=arm, n=12)).decision)) == 12
    longest = ids(engine.recommend(question("d", arm=arm, n=100)).decision)
    assert sorted(longest) == sorted(f"i{n}" for n in range(30) if n != 3)
    assert len(set(longest)) == len(longest)


def test_a_list_is_longer_than_what_the_mix_keeps_if_need_be() -> None:
    engine = engine_with(items(60), EngineSettings(candidates=CandidateSettings(keep=5)))
    assert len(ids(ask(engine, "u", "d", n=40))) == 40


def test_items_of_long_ago_fill_up_an_old_catalogue() -> None:
    """Their freshness has underflowed and nobody liked them: no source proposes them."""
    long_after = 2_000_000_000_000
    engine = engine_with([*items(20), feedback("v", "i4", long_after)])
    shown = ids(ask(engine, "u", "d", ts_ms=long_after))
    assert len(shown) == 10
    assert "i4" in shown


def test_popularity_ranks_by_popularity() -> None:
    settings = EngineSettings(
        arms={"popularity": ArmSettings(ranker="popularity", policy=GreedySettings())},
        candidates=CandidateSettings(
            popular=PopularSettings(
                windows={
                    "lately": PopularWindow(half_life_s=0.001, weight=9.0),
                    "ever": PopularWindow(half_life_s=1e9, weight=0.0),
                }
            )
        ),
    )
    likes = [feedback(f"v{n}", f"i{k}", 1000 + n) for n, k in enumerate([2, 2, 2, 4, 4, 1])]
    engine = engine_with([*items(6), *likes], settings)
    assert ids(ask(engine, "stranger", "d", n=3)) == ["i2", "i4", "i1"]


@pytest.mark.parametrize("candidates", [None, ("i3", "i5", "i1", "new")])
def test_the_arm_of_the_mix_ranks_by_the_mix_alone(candidates: tuple[str, ...] | None) -> None:
    engine = world()
    decision = engine.recommend(question("d", arm="mix-greedy", candidates=candidates)).decision
    mix = engine.state.columns.index("mix")
    mixed = [math.exp(widen(slot.features)[mix]) - 0.05 for slot in decision.slots]
    assert mixed == sorted(mixed, reverse=True)
    # The best is worth an average slot, so that policies explore as they do for the learner.
    worth = [engine.state.counts.base_rate * value / mixed[0] for value in mixed]
    assert [slot.score for slot in decision.slots] == pytest.approx(worth, rel=1e-2, abs=1e-3)


def test_a_person_without_likes_is_served_a_fallback() -> None:
    engine = world()
    assert ask(engine, "stranger", "d").fallback
    assert not ask(engine, "u1", "d").fallback


def test_clicks_change_the_next_answer() -> None:
    engine = engine_with(
        [*items(9), *LIKES], EngineSettings(arms={"a": ArmSettings(policy=GreedySettings())})
    )
    before = ask(engine, "stranger", "d")
    engine.apply([feedback("stranger", "i7", 1_000_000)])
    after = ask(engine, "stranger", "d")
    assert (before.fallback, after.fallback) == (True, False)
    assert ids(before) != ids(after)


def test_arms_share_the_people_as_they_should() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2, "unused": 0.0}
    arms = {name: ArmSettings(share=share) for name, share in shares.items()}
    engine = engine_with(items(3), EngineSettings(arms=arms))
    n = 4000
    fallen = Counter(engine.state.arm_of(f"user-{number}") for number in range(n))
    for name, share in shares.items():
        assert abs(fallen[name] - n * share) <= 4 * math.sqrt(n * share * (1 - share))


def test_a_person_stays_in_their_arm() -> None:
    arms = {name: ArmSettings(share=0.5) for name in ("a", "b")}
    engine = engine_with(items(3), EngineSettings(arms=arms))
    reordered = engine_with(items(3), EngineSettings(arms=dict(reversed(arms.items()))))
    other = engine_with(items(3), EngineSettings(arms=arms, seed=2))
    people = [f"user-{number}" for number in range(60)]
    first = [ask(engine, user, "d").policy for user in people]
    engine.apply([feedback(user, "i1", 1000) for user in people])
    assert [ask(engine, user, "e").policy for user in people] == first
    assert [ask(reordered, user, "f").policy for user in people] == first
    assert [ask(other, user, "d").policy for user in people] != first


def test_an_arm_may_be_asked_for() -> None:
    engine = world()
    assert engine.recommend(question("d", arm="random")).decision.policy == "random"
    with pytest.raises(InvalidEvent, match="must be one of") as caught:
        engine.recommend(question("d", arm="unheard-of"))
    assert caught.value.pointer == "/arm"


def test_a_question_beyond_its_limits_is_refused() -> None:
    with pytest.raises(InvalidEvent):
        world().recommend(question("d", n=0))


@pytest.mark.parametrize("arm", ["random", "popularity-greedy", "mix-greedy", "learner-squarecb"])
def test_features_are_logged_as_they_were_scored(arm: str) -> None:
    engine = world()
    columns, shared_columns = engine.state.columns, engine.state.features.shared_columns
    decision = engine.recommend(question("d", arm=arm)).decision
    rows = {slot.item_id: widen(slot.features) for slot in decision.slots}
    assert all(row.shape == (len(columns),) for row in rows.values())
    for item_id, row in rows.items():
        index = engine.state.catalogue.index(item_id)
        assert index is not None
        expected = np.float16(np.log1p(engine.state.counts.liked[index]))
        assert row[columns.index("likes")] == expected
    places = sorted(float(row[columns.index("rank")]) for row in rows.values())
    assert places == [np.float16(math.log1p(place)) for place in range(len(rows))]
    assert len({float(row[columns.index("popular_30d_log")]) for row in rows.values()}) > 1
    shared = widen(decision.features)
    assert shared.shape == (len(shared_columns),)
    assert shared[shared_columns.index("list_size")] == np.float16(math.log1p(len(rows)))


@pytest.mark.parametrize("candidates", [None, ("i5", "i0", "new", "i2", "newer")])
def test_the_same_features_whoever_ranks(candidates: tuple[str, ...] | None) -> None:
    engine = world()
    by_arm = [
        engine.recommend(question("d", arm=arm, candidates=candidates)).decision
        for arm in ("random", "learner-squarecb", "popularity-greedy", "mix-softmax")
    ]
    rows = [{slot.item_id: slot.features for slot in decision.slots} for decision in by_arm]
    assert all(other == rows[0] for other in rows[1:])
    assert len({decision.features for decision in by_arm}) == 1


def test_the_largest_weights_leave_features_finite() -> None:
    windows = {"ever": PopularWindow(half_life_s=1e9, weight=1e9)}
    settings = EngineSettings(
        candidates=CandidateSettings(popular=PopularSettings(windows=windows))
    )
    engine = engine_with([*items(5), *LIKES], settings)
    decision = asked(engine, "stranger", "d")
    assert all(np.isfinite(widen(slot.features)).all() for slot in decision.slots)
    assert all(math.isfinite(slot.score) for slot in decision.slots)


@pytest.mark.parametrize("ranker", ["listwise", "vw", "ftrl"])
def test_before_anything_is_learned_lists_are_ranked_by_the_mix(ranker: str) -> None:
    # The listwise ranker would be taught by what people find.
    learners = LearnerSettings.model_validate(
        {"ranker": ranker, "listwise": {"found_first": 0, "found_share": 0.0}}
    )
    arms = {"a": ArmSettings(policy=GreedySettings())}
    engine = engine_with([*items(12), *LIKES], EngineSettings(arms=arms, learners=learners))
    shown = ids(ask(engine, "stranger", "d"))
    state = engine.state
    cut = state.pool.cut(state.catalogue.alive, state.weights, 10)
    assert shown == [state.catalogue[item].item_id for item in cut.items.tolist()]
    assert len(set(cut.mixed.tolist())) > 4


def test_what_nobody_has_heard_of_stands_behind_what_is_liked() -> None:
    engine = engine_with([*items(7), *LIKES], SETTINGS)
    wanted = question("d", arm="learner-greedy", candidates=("a new one", "i1", "i2", "z new one"))
    shown = ids(engine.recommend(wanted).decision)
    assert sorted(shown[:2]) == ["i1", "i2"]


def test_how_items_are_called_does_not_matter() -> None:
    """The same world under ids that sort the other way round."""
    features = list[dict[int, bytes]]()
    for name in ("i{}", "{}"):
        numbers = {name.format(n if name == "i{}" else 9 - n): n for n in range(7)}
        known = [item(n, attributes={"genre": str(n % 3)}) for n in range(7)]
        renamed = {f"i{n}": item_id for item_id, n in numbers.items()}
        events = [
            msgspec.structs.replace(event, item_id=renamed[event.item_id])
            for event in (*known, *LIKES)
            if isinstance(event, Feedback | ItemUpsert | ItemRemove)
        ]
        engine = engine_with(events, SETTINGS)
        wanted = question("d", arm="learner-greedy", candidates=tuple(numbers))
        decision = engine.recommend(wanted).decision
        features.append({numbers[slot.item_id]: slot.features for slot in decision.slots})
    # Of 3 and 6 neither was liked: which of the two stands before the other is up to their ids.
    for number in (0, 1, 2, 4, 5):
        assert features[0][number] == features[1][number]


def test_the_threshold_is_there_for_one_race_alone() -> None:
    engine = engine_with(items(7), SETTINGS)
    for arm, races in (("random", True), ("learner-softmax", True), ("learner-squarecb", False)):
        threshold = engine.recommend(question("d", arm=arm, n=2)).decision.threshold
        assert (threshold is not None) is races


def test_a_service_whose_first_lists_are_disliked_goes_on() -> None:
    engine = engine_with(items(30))
    for number in range(12):
        decision = asked(engine, f"u{number}", f"d{number}", 10_000 * number + 1000, n=5)
        first = decision.slots[0].item_id
        dislike = feedback(
            f"u{number}", first, 10_000 * number + 2000, "dislike", decision_id=decision.event_id
        )
        engine.apply([dislike])
    assert len(ask(engine, "u1", "again", 10_000_000).slots) == 10
    assert len(ask(engine, "stranger", "first", 10_000_000).slots) == 10
