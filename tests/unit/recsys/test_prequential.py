"""The next-item protocol and its metrics, worked out by hand."""

import math

import pytest

from recsys.datasets import Interaction
from recsys.evaluation.metrics import RankMetrics, pessimistic_rank
from recsys.evaluation.prequential import Report, evaluate
from recsys.events import Attributes
from recsys.settings import (
    CandidateSettings,
    CatalogueSettings,
    EngineSettings,
    FactorSettings,
    FreshSettings,
    LearnerSettings,
    PopularSettings,
    PopularWindow,
    RecentTasteSettings,
    SessionSettings,
    TasteSettings,
    TransitionKernel,
    TransitionSettings,
)


def only(source: str) -> CandidateSettings:
    """Return settings in which one source alone has a weight in the mix."""
    weights = dict.fromkeys(
        ("popular", "transitions", "sessions", "factors", "fresh", "tastes", "recent"), 0.0
    )
    weights[source] = 1.0
    return CandidateSettings(
        popular=PopularSettings(
            leaders=1000,
            windows={"ever": PopularWindow(half_life_s=1e9, weight=weights["popular"])},
        ),
        transitions=TransitionSettings(
            kernels={"near": TransitionKernel(weight=weights["transitions"])}
        ),
        sessions=SessionSettings(weight=weights["sessions"]),
        factors=FactorSettings(weight=weights["factors"]),
        fresh=FreshSettings(weight=weights["fresh"]),
        tastes=TasteSettings(weight=weights["tastes"]),
        recent_tastes=RecentTasteSettings(weight=weights["recent"]),
    )


POPULARITY = EngineSettings(candidates=only("popular"), learners=LearnerSettings(ranker="vw"))
"""Ranks by how often an item was liked and by nothing else: of what nobody was shown, VW learns
nothing."""
COLUMNS = {
    "mix",
    "transitions_near",
    "factors",
    "popular_ever",
    "fresh",
    "tastes",
    "recent_tastes",
}


def run(
    story: str,
    settings: EngineSettings = POPULARITY,
    *,
    repeats: bool = False,
    ratings: dict[int, float] | None = None,
    items: dict[str, Attributes] | None = None,
) -> Report:
    """Evaluate a story such as ``"ua ub va"``: user u takes a, then b, then v takes a."""
    events = [
        Interaction(
            user=pair[0],
            item=pair[1],
            ts_ms=1000 * number,
            rating=(ratings or {}).get(number),
            line=number,
        )
        for number, pair in enumerate(story.split())
    ]
    return evaluate("story", events, settings, repeats=repeats, items=items)


def test_metrics_are_means_over_ranks() -> None:
    metrics = RankMetrics()
    for rank in (1, 3, 10, 11, 20, 21, None):
        metrics.add(rank)
    assert metrics.summary() == {
        "recall_at_10": 3 / 7,
        "recall_at_20": 5 / 7,
        "ndcg_at_10": pytest.approx((1 + 1 / math.log2(4) + 1 / math.log2(11)) / 7),
        "mrr": pytest.approx((1 + 1 / 3 + 1 / 10 + 1 / 11 + 1 / 20 + 1 / 21) / 7),
    }


def test_no_ranks_are_no_division_by_zero() -> None:
    assert set(RankMetrics().summary().values()) == {0.0}


def test_who_scores_nothing_is_not_found() -> None:
    assert (pessimistic_rank(0.5, 4), pessimistic_rank(0.0, 4)) == (4, None)


STORY = "ua vb wb wc ub vc vd xa xb ud"
RANKS = [
    1,  # ub: u has a; b was liked twice, c once
    2,  # vc: v has b; a and c were liked once, and the tie counts against us
    1,  # xb: x has a; b was liked three times, c twice, d once
    2,  # ud: u has a and b; c was liked twice, d once
]


def test_ten_events_by_hand() -> None:
    report = run(STORY)
    assert (report.events, report.users, report.items, report.ranked) == (10, 4, 4, len(RANKS))
    assert report.metrics["mrr"] == pytest.approx(sum(1 / rank for rank in RANKS) / len(RANKS))
    assert report.metrics["ndcg_at_10"] == pytest.approx(
        sum(1 / math.log2(rank + 1) for rank in RANKS) / len(RANKS)
    )
    assert report.metrics["recall_at_10"] == report.hidden == 1.0


def test_each_source_alone_is_ranked_too() -> None:
    report = run(STORY)
    assert set(report.sources) == COLUMNS
    assert report.sources["popular_ever"] == report.sources["mix"] == report.metrics
    assert report.sources["tastes"]["mrr"] == 0.0
    # ub: nothing came with a yet. vc: with b came c within one second, a within four. xb: with a
    # came b alone. ud: with b came c twice and d once, with a neither.
    assert report.sources["transitions_near"]["mrr"] == pytest.approx((0 + 1 + 1 + 1 / 2) / 4)


@pytest.mark.parametrize(
    ("story", "ranked"),
    [
        ("ua", 0),
        ("ua ub", 0),
        ("ua vb", 0),
        ("ua vb ub", 1),
        ("ua vb vc uc", 1),
        ("ua vb ub va", 2),
    ],
)
def test_ranked_are_known_items_for_known_people(story: str, ranked: int) -> None:
    assert run(story).ranked == ranked


def test_nothing_looks_ahead() -> None:
    story = STORY.split()
    for length in range(1, len(story)):
        head = " ".join(story[:length])
        # First events of new people are learned but not ranked: all ranks are the head's.
        assert run(f"{head} pa qd rd sd").metrics == run(head).metrics


def test_an_item_taken_again_is_no_candidate_unless_repeats_are() -> None:
    once, again = run("ua vb ub ua"), run("ua vb ub ua", repeats=True)
    assert once.ranked == again.ranked == 2
    assert once.metrics["mrr"] == pytest.approx((1 + 0) / 2)
    assert once.sources["popular_ever"]["mrr"] == pytest.approx((1 + 0) / 2)
    # b has 2 likes and a has 1 when u comes back for a.
    assert again.sources["popular_ever"]["mrr"] == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_items_that_could_not_be_found_are_counted() -> None:
    assert run("ua vb ub ua").not_candidates == 1
    assert run("ua vb ub ua", repeats=True).not_candidates == 0


def test_all_items_are_ranked_however_long_the_list_is() -> None:
    rows = [(f"w{n}", f"i{n % 120}") for n in range(240)]
    rows += [("u", "mine"), ("v", "rare"), ("u", "rare")]
    events = [Interaction(*row, 1000 * n, None, n) for n, row in enumerate(rows)]
    report = evaluate("long", events, POPULARITY)
    assert report.metrics == report.sources["popular_ever"]
    assert report.metrics["mrr"] == pytest.approx(1 / 121)


def test_an_item_that_only_fills_the_list_up_is_not_found() -> None:
    report = run("ua vb ub", EngineSettings(candidates=only("transitions")))
    assert report.ranked == 1
    assert (report.metrics["recall_at_20"], report.metrics["mrr"], report.hidden) == (0.0, 0.0, 0.0)


def test_what_no_source_proposes_stands_behind_what_is_proposed() -> None:
    rows = [(f"w{n}", f"i{n % 120}") for n in range(240)]
    rows += [("u", "mine"), ("v", "rare"), ("u", "rare")]
    events = [Interaction(*row, 1000 * n, None, n) for n, row in enumerate(rows)]
    popular = POPULARITY.candidates.popular.model_copy(update={"leaders": 7})
    candidates = POPULARITY.candidates.model_copy(update={"popular": popular})
    report = evaluate("short", events, POPULARITY.model_copy(update={"candidates": candidates}))
    # The newest items are proposed as fresh ones, rare among them.
    assert 1 / 121 < report.metrics["mrr"] < 1 / 7


@pytest.mark.parametrize("items", [None, {"a": {"g": "x"}}])
def test_there_is_room_for_every_item(items: dict[str, Attributes] | None) -> None:
    catalogue = CatalogueSettings(max_items=1, auto_insert=False)
    tight = POPULARITY.model_copy(update={"catalogue": catalogue})
    assert run(STORY, tight, items=items).metrics == run(STORY, items=items).metrics


def test_low_ratings_are_left_out() -> None:
    report = run("ua vb ub va vc", ratings={0: 5.0, 1: 5.0, 2: 4.5, 3: 5.0})
    assert report.events == 4
    assert report.ranked == 1


def test_the_pause_can_be_hidden() -> None:
    report = run("ua vb ub", EngineSettings())
    assert report.hidden == report.metrics["recall_at_10"] == 1.0


def test_attributes_are_told_when_an_item_first_comes() -> None:
    attributes: dict[str, Attributes] = {"a": {"g": "x"}, "b": {"g": "x"}, "c": {"g": "y"}}
    told = run("va vb vc ua ub", EngineSettings(), items=attributes)
    assert told.sources["tastes"]["mrr"] > 0.0
    assert run("va vb vc ua ub", EngineSettings()).sources["tastes"]["mrr"] == 0.0


def test_the_document_is_flat() -> None:
    document = run(STORY).to_json()
    assert document["dataset"] == "story"
    assert document["recall_at_10_hidden"] == document["recall_at_10"] == 1.0
    assert document["ranked"] == len(RANKS)
    assert (document["attributes"], document["learner_examples"]) == (False, 0)
    assert document["learner_choices"] == 0
    assert run(STORY, EngineSettings()).learner_choices > 0
    assert document["not_candidates"] == 0
    assert run(STORY, items={"a": {"g": "x"}}).to_json()["attributes"] is True
