"""Ranking what was shown: what is told to the engine when, and that nothing looks ahead."""

from collections.abc import Sequence

import numpy as np
import pytest

from recsys.datasets import Impression
from recsys.evaluation.shown import ShownReport, evaluate_shown
from recsys.evaluation.shown_run import ShownRun
from recsys.events import Attributes, Decision, Event, Feedback, ItemUpsert
from recsys.settings import CatalogueSettings, EngineSettings, LearnerSettings, UserModelSettings

SETTINGS = EngineSettings(learners=LearnerSettings(user_model=UserModelSettings(enabled=False)))
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 400 * DAY_MS
"""Of the stories: the hours of the impressions are counted from here."""


def impression(number: int, shown: str, user: str = "", history: str = "") -> Impression:
    """Return what one person was shown in an hour of its own, such as ``"a0 b1"``."""
    items = tuple((text[:-1], text[-1] == "1") for text in shown.split())
    user = user or f"u{number}"
    return Impression(
        str(number), user, START_MS + number * HOUR_MS, tuple(history.split()), items, number + 1
    )


def flipped(one: Impression) -> Impression:
    shown = tuple((item, not click) for item, click in one.shown)
    return Impression(one.impression_id, one.user, one.ts_ms, one.history, shown, one.line)


STORY = [impression(number, "a1 b0 c0" if number % 3 else "b0 a0 c1") for number in range(12)]
LAST = impression(12, "c0 b0 a1")


def evaluated(impressions: Sequence[Impression], *, use_history: bool = True) -> ShownReport:
    return evaluate_shown("story", impressions, SETTINGS, use_history=use_history)


def run_of(
    *, items: dict[str, Attributes] | None = None, use_history: bool = True, max_items: int = 100
) -> ShownRun:
    return ShownRun(
        SETTINGS,
        max_items=max_items,
        since_ms=START_MS,
        items=items or {},
        use_history=use_history,
    )


def go_through(run: ShownRun, impressions: Sequence[Impression]) -> None:
    for one in impressions:
        run.meet(one)
        run.learn(one, run.ask(one))


def log_of(run: ShownRun) -> list[Event]:
    return [event for _, event in run.engine.store.read(after=0)]


def test_an_item_that_is_clicked_rises() -> None:
    report = evaluated([impression(number, "a1 b0 c0 d0") for number in range(20)])
    assert report.metrics.auc > 0.8
    assert report.metrics.auc_second_half == 1.0


def auc_of_the_last(story: Sequence[Impression]) -> float:
    """Return the AUC of the last impression, from the means with and without it."""
    before, after = evaluated(story[:-1]), evaluated(story)
    return after.metrics.auc * after.ranked - before.metrics.auc * before.ranked


def test_nothing_looks_ahead() -> None:
    # Scores that do not know the labels order each pair right under one of two opposite labellings:
    # the two AUCs make 1. If a label leaked, both would be higher, or both lower.
    right = auc_of_the_last([*STORY, LAST])
    assert auc_of_the_last([*STORY, flipped(LAST)]) == pytest.approx(1.0 - right)
    assert abs(right - 0.5) > 0.1, "scores that are all the same would prove nothing"


@pytest.mark.parametrize("last", [LAST, flipped(LAST)], ids=["as it was", "flipped"])
def test_the_answer_does_not_depend_on_the_labels(last: Impression) -> None:
    asked, other = run_of(), run_of()
    go_through(asked, STORY)
    go_through(other, STORY)
    asked.meet(LAST)
    other.meet(last)
    assert asked.ask(LAST).slots == other.ask(last).slots


def test_asking_does_not_teach() -> None:
    run = run_of()
    go_through(run, STORY)
    run.meet(LAST)
    before, log = run.engine.fingerprint(), log_of(run)
    first = run.ask(LAST)
    assert run.ask(LAST) == first
    assert (run.engine.fingerprint(), log_of(run)) == (before, log)
    run.learn(LAST, first)
    assert run.engine.fingerprint() != before


def test_what_happened_is_what_is_logged() -> None:
    run = run_of()
    go_through(run, STORY)
    one = impression(20, "c0 a1 new0 b1")
    run.meet(one)
    answer = run.ask(one)
    start = len(log_of(run))
    run.learn(one, answer)
    decision, *clicks = log_of(run)[start:]
    assert isinstance(decision, Decision)
    assert [slot.item_id for slot in decision.slots] == ["c", "a", "new", "b"]
    assert [slot.propensity for slot in decision.slots] == [1 / 4, 1 / 3, 1 / 2, 1.0]
    served = {slot.item_id: slot for slot in answer.slots}
    for slot in decision.slots:
        assert (slot.score, slot.features) == (
            served[slot.item_id].score,
            served[slot.item_id].features,
        )
    assert (decision.user_id, decision.ts_ms, decision.policy) == ("u20", one.ts_ms, "shown")
    assert [
        (click.item_id, click.decision_id, click.type)
        for click in clicks
        if isinstance(click, Feedback)
    ] == [("a", decision.event_id, "click"), ("b", decision.event_id, "click")]


def test_clicks_and_their_absence_become_examples() -> None:
    run = run_of()
    go_through(run, [*STORY, impression(100, "a0 b1")])
    stats = run.engine.stats()
    assert (stats.unmatched, stats.failed) == (0, 0)
    # Of the last list only the click: what was passed over waits for the reward window to end.
    assert stats.examples == sum(len(one.shown) for one in STORY) + 1
    arm = stats.arms["shown"]
    assert (arm.decisions, arm.shown, arm.clicks) == (len(STORY) + 1, 3 * len(STORY) + 2, 13)


def test_the_engine_serves_greedily_from_one_arm() -> None:
    run = run_of()
    go_through(run, STORY)
    run.meet(LAST)
    answer = run.ask(LAST)
    scores = [slot.score for slot in answer.slots]
    assert scores == sorted(scores, reverse=True)
    assert {slot.propensity for slot in answer.slots} == {1.0}
    assert answer.policy == "learner"


def test_items_are_told_when_they_are_first_named() -> None:
    run = run_of(items={"b": {"category": "sports"}})
    run.meet(impression(1, "a0 b1", history="h"))
    run.meet(impression(2, "b0 c1"))
    upserts = [event for event in log_of(run) if isinstance(event, ItemUpsert)]
    told = [(one.item_id, one.ts_ms - START_MS, one.attributes) for one in upserts]
    assert told == [
        ("h", -14 * DAY_MS, {}),
        ("a", HOUR_MS, {}),
        ("b", HOUR_MS, {"category": "sports"}),
        ("c", 2 * HOUR_MS, {}),
    ]
    assert len({event.event_id for event in log_of(run)}) == len(log_of(run))


def test_earlier_clicks_are_told_once_within_four_weeks_and_refer_to_no_list() -> None:
    run = run_of()
    go_through(run, [impression(1, "a1 b0", "ann", "h g h"), impression(2, "a0 b1", "ann", "h")])
    told = [
        event for event in log_of(run) if isinstance(event, Feedback) and event.decision_id is None
    ]
    assert [(event.item_id, (event.ts_ms - START_MS) // DAY_MS) for event in told] == [
        ("h", -21),
        ("g", -14),
        ("h", -7),
    ]
    assert run.engine.stats().unmatched == 0


def test_earlier_clicks_can_be_kept_from_the_engine() -> None:
    run = run_of(use_history=False)
    go_through(run, [impression(1, "a1 b0", "ann", "h g")])
    assert run.engine.state.catalogue.index("h") is None
    assert evaluated([impression(1, "a1 b0", "ann", "h g")], use_history=False).items == 2
    assert evaluated([impression(1, "a1 b0", "ann", "h g")]).items == 4


def test_earlier_clicks_help_who_shares_them() -> None:
    # In an order without rhythm: by turns, the engine would find out that who won last loses now.
    left = np.random.default_rng(1).integers(0, 2, 80).tolist()
    friends = [
        impression(number, "a1 b0" if is_left else "a0 b1", history=history)
        for number, is_left in enumerate(left)
        for history in ("left left2" if is_left else "right right2",)
    ]
    told, not_told = evaluated(friends), evaluated(friends, use_history=False)
    assert told.metrics.auc_second_half > not_told.metrics.auc_second_half + 0.2
    assert told.metrics.auc_second_half > 0.9


def test_who_clicked_nothing_or_everything_is_learned_and_not_ranked() -> None:
    report = evaluated([impression(1, "a0 b0"), impression(2, "a1"), impression(3, "a1 b0")])
    assert (report.impressions, report.ranked, report.shown, report.clicks) == (3, 1, 5, 2)
    # a was clicked before, b was not.
    assert report.metrics.auc == report.competitors["clicks_so_far"].auc == 1.0


def test_the_same_impression_twice_is_two() -> None:
    twice = impression(1, "a1 b0"), impression(1, "a1 b0")
    again = Impression("1", "u1", START_MS + HOUR_MS, (), twice[1].shown, line=9)
    assert evaluated([twice[0], again]).impressions == 2


def test_there_is_room_for_every_item() -> None:
    catalogue = CatalogueSettings(max_items=1, auto_insert=False)
    tight = SETTINGS.model_copy(update={"catalogue": catalogue})
    assert evaluate_shown("story", STORY, tight).metrics == evaluated(STORY).metrics


def test_the_document_has_the_engine_at_its_top() -> None:
    document = evaluated([*STORY, LAST]).to_json()
    counted = ("dataset", "impressions", "ranked", "shown", "clicks", "users", "items")
    assert [document[key] for key in counted] == ["story", 13, 13, 39, 13, 13, 3]
    keys = {"auc", "mrr", "ndcg_at_5", "ndcg_at_10", "auc_second_half"}
    assert keys | {"events_per_second", "history", "attributes"} <= document.keys()
    rivals = document["competitors"]
    assert isinstance(rivals, dict)
    assert set(rivals) == {
        "random",
        "newest_first",
        "clicks_so_far",
        "click_rate",
        "click_rate_6h",
    }
    assert all(set(metrics) == keys for metrics in rivals.values())
