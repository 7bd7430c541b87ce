"""What each kind of event does to the state."""

import pytest

from recsys.candidates.popular import Popular
from recsys.candidates.transitions import Transitions
from recsys.engine import Engine
from recsys.events import Decision, ItemRemove, Slot
from recsys.ids import feature_hash
from recsys.learners.listwise import ListwiseRanker
from recsys.settings import (
    ArmSettings,
    CandidateSettings,
    CatalogueSettings,
    EngineSettings,
    JoinerSettings,
    LearnerSettings,
    MemorySettings,
    MeterSettings,
    TransitionKernel,
    TransitionSettings,
    UserSettings,
)
from recsys.users import User
from tests.engines import ask, asked, engine_with, feedback, items
from tests.pools import scores

PATIENT = EngineSettings(joiner=JoinerSettings(examination_decay=0.0))
"""Every slot counts as looked at."""
USER = feature_hash("user", "u")


def decision(
    *item_ids: str, user: str = "u", decision_id: str = "d", ts_ms: int = 1000
) -> Decision:
    return Decision(
        event_id=decision_id,
        user_id=user,
        ts_ms=ts_ms,
        slots=tuple(Slot(item_id, 0.5) for item_id in item_ids),
        policy="learner",
    )


def names(engine: Engine, user_id: str) -> list[str]:
    view = engine.user(user_id)
    assert view is not None
    return [recent.item_id for recent in view.recent]


def popularity(engine: Engine) -> list[float]:
    """Return the share of the most popular item that each has."""
    n_items = len(engine.state.catalogue)
    source = engine.state.source(Popular)
    assert source is not None
    counts = scores(source, User(user_id="anybody"), 0, n_items)[:, -1]
    return [float(share) for share in counts / counts.max()]


def test_feedback_makes_a_person_with_a_history() -> None:
    engine = engine_with([*items(3), feedback("u", "i1", 2000), feedback("u", "i2", 1500)])
    view = engine.user("u")
    assert view is not None
    assert (view.events, view.clicks, view.shown, view.last_seen_ms) == (2, 2, 0, 2000)
    assert [(recent.item_id, recent.ts_ms) for recent in view.recent] == [
        ("i2", 1500),
        ("i1", 2000),
    ]
    assert [taste.attribute for taste in view.tastes] == ["genre=drama", "genre=comedy"]
    assert engine.user("stranger") is None


def test_tastes_are_shown_strongest_first() -> None:
    events = [feedback("u", "i0", 1), feedback("u", "i1", 2), feedback("u", "i1", 3)]
    view = engine_with([*items(2), *events]).user("u")
    assert view is not None
    assert [taste.attribute for taste in view.tastes] == ["genre=drama", "genre=crime"]
    assert view.tastes[0].mean > view.tastes[1].mean > 0.0
    assert 0.0 < view.tastes[0].deviation < view.tastes[1].deviation


def test_feedback_below_zero_is_no_like() -> None:
    engine = engine_with([*items(2), feedback("u", "i1", 1000, "dislike")])
    assert names(engine, "u") == []
    view = engine.user("u")
    assert view is not None
    assert (view.events, view.clicks) == (1, 0)
    assert view.tastes[0].mean < 0.0


def test_acts_on_the_same_item_in_a_row_are_one_like() -> None:
    acts = [
        feedback("u", "i1", ts, kind) for ts, kind in ((1, "view"), (2, "click"), (3, "purchase"))
    ]
    engine = engine_with([*items(3), *acts, feedback("u", "i2", 4), feedback("u", "i1", 5)])
    assert names(engine, "u") == ["i1", "i2", "i1"]
    assert engine.state.counts.liked[:3].tolist() == [0.0, 2.0, 1.0]


def test_what_is_played_again_counts_again() -> None:
    plays = [feedback("u", "i1", ts) for ts in (1, 2, 3)]
    engine = engine_with([*items(2), *plays, feedback("v", "i0", 4)])
    assert names(engine, "u") == ["i1", "i1", "i1"]
    assert popularity(engine) == pytest.approx([1 / 3, 1.0])


def test_clicks_on_one_place_of_a_list_are_one_act() -> None:
    clicks = [feedback("u", "i1", ts, decision_id="d") for ts in (2, 3)]
    engine = engine_with([*items(2), decision("i0", "i1"), *clicks], PATIENT)
    assert names(engine, "u") == ["i1"]
    assert engine.state.counts.liked[:2].tolist() == [0.0, 1.0]


def test_an_act_counts_by_the_strongest_that_was_said_of_it() -> None:
    acts = [
        feedback(user, "i1", ts, kind)
        for user in ("u", "v")
        for ts, kind in ((1, "view"), (2, "purchase"), (3, "view"))
    ]
    engine = engine_with([*items(3), *acts, feedback("w", "i0", 4)])
    assert popularity(engine) == pytest.approx([0.5, 1.0, 0.0])


def test_a_stronger_act_is_taught_with_the_history_before_it() -> None:
    def taught(*kinds: str) -> list[float]:
        acts = [feedback("u", "i1", 2, kind) for kind in kinds]
        engine = engine_with([*items(3), feedback("u", "i0", 1), *acts])
        engine.apply([feedback("v", "i0", 10)])
        user = engine.state.users.get("v")
        assert user is not None
        source = engine.state.source(Transitions)
        assert source is not None
        found = scores(source, user, 11, 3)
        return [float(score) for score in found.ravel()]

    assert taught("view", "purchase") == pytest.approx(taught("purchase"), rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "consumed"), [("view", False), ("click", True), ("purchase", True), ("dislike", False)]
)
def test_only_what_is_worth_enough_consumes(kind: str, consumed: bool) -> None:
    engine = engine_with([*items(5), feedback("u", "i1", 1000, kind)])
    shown = {slot.item_id for slot in ask(engine, "u", "d").slots}
    assert ("i1" not in shown) is consumed


def test_a_later_act_consumes_what_the_first_only_liked() -> None:
    events = [feedback("u", "i1", 1000, "view"), feedback("u", "i1", 2000, "purchase")]
    engine = engine_with([*items(5), *events])
    assert "i1" not in {slot.item_id for slot in ask(engine, "u", "d").slots}


def test_a_decision_counts_what_it_showed() -> None:
    engine = engine_with([*items(3), decision("i0", "i2")])
    stats = engine.stats()
    assert (stats.arms["learner"].decisions, stats.arms["learner"].shown) == (1, 2)
    assert (stats.items, stats.pending, stats.examples) == (3, 1, 0)
    assert engine.state.counts.shown[:3].tolist() == [1.0, 0.0, 1.0]
    view = engine.user("u")
    assert view is not None
    assert (view.shown, view.events) == (2, 0)


def test_being_ranked_brings_nothing_into_the_catalogue() -> None:
    engine = engine_with([*items(2), decision("i0", "new", "newer")], PATIENT)
    assert engine.stats().items == 2
    assert {slot.item_id for slot in ask(engine, "v", "d2").slots} == {"i0", "i1"}
    engine.apply([feedback("u", "new", 2000, decision_id="d")])
    stats = engine.stats()
    assert (stats.items, stats.examples) == (3, 1)
    assert (stats.arms["learner"].shown, stats.arms["learner"].clicks) == (3, 1)
    assert engine.state.counts.shown[:3].tolist() == [1.0, 0.0, 1.0]
    engine.apply([feedback("v", "i0", 700_000)])
    # i0 was above the click; nothing is known of the other one, so nothing is learned of it.
    assert engine.stats().examples == 2


def test_a_click_after_other_feedback_is_a_click() -> None:
    acts = [
        feedback("u", item, ts, kind, decision_id="d")
        for item, ts, kind in (("i0", 1, "skip"), ("i0", 2, "click"), ("i1", 3, "dwell"))
    ]
    engine = engine_with([*items(2), decision("i0", "i1"), *acts], PATIENT)
    assert engine.stats().arms["learner"].clicks == 1
    engine.apply([feedback("u", "i1", 4, decision_id="d")])
    assert engine.stats().arms["learner"].clicks == 2


def test_a_click_on_a_list_is_credited_once() -> None:
    clicks = [feedback("u", "i1", ts, decision_id="d") for ts in (2000, 3000)]
    engine = engine_with([*items(3), decision("i0", "i1", "i2"), *clicks], PATIENT)
    arm = engine.stats().arms["learner"]
    assert (arm.clicks, arm.reward) == (1, 2.0)
    assert engine.state.counts.clicked[:3].tolist() == [0.0, 1.0, 0.0]
    assert engine.stats().examples == 2


def test_the_rest_of_a_list_is_taught_when_its_window_ends() -> None:
    click = feedback("u", "i1", 2000, decision_id="d")
    engine = engine_with([*items(3), decision("i0", "i1", "i2"), click], PATIENT)
    assert (engine.stats().pending, engine.stats().examples) == (1, 1)
    engine.apply([feedback("somebody", "i0", 601_000)])
    assert (engine.stats().pending, engine.stats().examples) == (0, 3)


def test_the_clock_is_the_latest_time_that_any_event_named() -> None:
    engine = engine_with(items(1), PATIENT)
    engine.apply([feedback("v", "i0", 900_000), decision("i0", ts_ms=250_000)])
    assert engine.stats().pending == 1
    engine.apply([feedback("v", "i0", 5)])
    assert engine.stats().pending == 0


def test_feedback_on_somebody_elses_list_is_feedback_without_one() -> None:
    thief = feedback("thief", "i1", 2000, decision_id="d")
    engine = engine_with([*items(3), decision("i0", "i1"), thief], PATIENT)
    arm = engine.stats().arms["learner"]
    assert (arm.clicks, arm.reward, engine.stats().examples) == (0, 0.0, 0)
    assert engine.stats().unmatched == 1
    assert names(engine, "thief") == ["i1"]
    owner = engine.user("u")
    assert owner is not None
    assert (owner.tastes, owner.clicks) == ((), 0)


def with_ranker(ranker: str, **memory: int) -> EngineSettings:
    return EngineSettings(
        joiner=JoinerSettings(examination_decay=0.0),
        learners=LearnerSettings.model_validate({"ranker": ranker}),
        memory=MemorySettings(**memory, meter=MeterSettings(slice=0)),
    )


def test_old_examples_are_taught_beside_new_ones() -> None:
    settings = with_ranker("vw", replays=3)
    engine = engine_with([*items(3), decision("i0", "i1", "i2")], settings)
    engine.apply([feedback("v", "i0", 601_000)])
    stats = engine.stats()
    assert (stats.examples, stats.replay_size) == (3, 3)
    # Three beside the second and the third; before the first there was nothing.
    assert stats.replayed == 6


@pytest.mark.parametrize(("ranker", "moves"), [("learner", True), ("popularity", False)])
def test_only_lists_of_the_learner_are_held_against_its_scale(ranker: str, moves: bool) -> None:
    arms = {"a": ArmSettings.model_validate({"ranker": ranker})}
    engine = engine_with(items(6), PATIENT.model_copy(update={"arms": arms}))
    learner = engine.state.learner
    assert isinstance(learner, ListwiseRanker)
    before = learner.scale
    for number in range(5):
        asked(engine, "u", f"d{number}", 1_000_000 + number)
    assert engine.stats().examples > 20
    assert (learner.scale != before) is moves


def test_a_removed_item_keeps_its_history() -> None:
    remove = ItemRemove(event_id="r", ts_ms=5000, item_id="i1")
    engine = engine_with([*items(3), feedback("u", "i1", 1000), remove])
    assert names(engine, "u") == ["i1"]
    assert engine.stats().items == 2
    assert {slot.item_id for slot in ask(engine, "v", "d").slots} == {"i0", "i2"}


def test_unknown_items_need_permission() -> None:
    settings = EngineSettings(
        catalogue=CatalogueSettings(auto_insert=False),
        joiner=JoinerSettings(examination_decay=0.0),
        learners=LearnerSettings(ranker="vw"),
    )
    engine = engine_with([*items(2), decision("new", "i0", "i1")], settings)
    engine.apply([feedback("u", "new", 2000), feedback("u", "i1", 3000, decision_id="d")])
    stats = engine.stats()
    assert (stats.items, stats.arms["learner"].shown, stats.arms["learner"].clicks) == (2, 3, 1)
    positions = {example.position for example in engine.state.examples.sample()}
    assert positions == {2}, "the place in the list moved because an item was not known"


def test_histories_are_bounded() -> None:
    transitions = TransitionSettings(kernels={"only": TransitionKernel(history=20)})
    settings = EngineSettings(
        users=UserSettings(history=20, consumed=3),
        candidates=CandidateSettings(transitions=transitions),
    )
    engine = engine_with(
        [*items(40), *(feedback("u", f"i{n}", 1000 + n) for n in range(40))], settings
    )
    assert names(engine, "u") == [f"i{n}" for n in range(39, 19, -1)]
    shown = {slot.item_id for slot in ask(engine, "u", "d", n=40).slots}
    assert shown == {f"i{n}" for n in range(37)}


def test_asking_again_teaches_what_was_passed_over() -> None:
    engine = engine_with(items(20), PATIENT)
    asked(engine, "u", "d1", n=5)
    assert engine.stats().examples == 0
    asked(engine, "u", "d2", ts_ms=1_001_000, n=5)
    assert engine.stats().examples == 5
    asked(engine, "v", "d3", ts_ms=1_002_000, n=5)
    assert engine.stats().examples == 5
