"""The simple rankers, by hand on a few lists and by published figures on the whole of MIND-5k."""

import os
from pathlib import Path

import numpy as np
import pytest

from recsys.datasets import read_impressions
from recsys.evaluation.competitors import ClickRate, Clicks, NewestFirst, Random, competitors
from recsys.evaluation.list_metrics import ListMetrics

HOUR_MS = 3_600_000


def test_random_draws_anew() -> None:
    random = Random(seed=1)
    first, second = random.scores("ab", 0), random.scores("ab", 0)
    assert (first != second).all()
    assert (Random(seed=1).scores("ab", 0) == first).all()


def test_newest_first_goes_by_the_first_time() -> None:
    newest = NewestFirst()
    newest.learn("ab", [True, False], 10)
    newest.learn("bc", [True, False], 20)
    assert newest.scores("abcd", 30).tolist() == [10, 10, 20, 30]


def test_clicks_are_counted() -> None:
    clicks = Clicks()
    clicks.learn("ab", [True, False], 0)
    clicks.learn("ab", [True, True], 0)
    assert clicks.scores("abc", 0).tolist() == [2, 1, 0]


def test_a_click_rate_begins_at_its_prior() -> None:
    rate = ClickRate("rate", prior=20.0)
    rate.learn("ab", [True, False], 0)
    rate.learn("a", [False], HOUR_MS)
    assert rate.scores("abc", HOUR_MS) == pytest.approx([1.8 / 22, 0.8 / 21, 0.04])


def test_a_click_rate_forgets_but_for_its_prior() -> None:
    rate = ClickRate("rate", prior=5.0, half_life_s=6 * 3600.0)
    rate.learn("a", [True], 0)
    rate.learn("a", [False], 6 * HOUR_MS)
    assert rate.scores("a", 12 * HOUR_MS) == pytest.approx([(0.25 + 0.2) / (0.75 + 5)])
    assert rate.scores("a", 12 * HOUR_MS) == pytest.approx([(0.25 + 0.2) / (0.75 + 5)])


PUBLISHED = {
    "random": (0.488, 0.222, 0.226, 0.285, 0.486),
    "newest_first": (0.518, 0.239, 0.246, 0.304, 0.524),
    "clicks_so_far": (0.565, 0.280, 0.295, 0.350, 0.551),
    "click_rate": (0.6186, 0.3059, 0.3260, 0.3796, 0.603),
    "click_rate_6h": (0.6188, 0.3098, 0.3300, 0.3819, 0.602),
}
"""AUC, MRR, nDCG@5, nDCG@10 and AUC of the second half, by code independent of this."""


def test_published_figures_come_out() -> None:
    folder = os.environ.get("RECSYS_DATA")
    if not folder or not (Path(folder) / "mind-5k").is_dir():
        pytest.skip("MIND is not part of this; RECSYS_DATA names a folder that has mind-5k in it")
    rivals = {rival.name: (rival, ListMetrics(1)) for rival in competitors(1)}
    for one in read_impressions(Path(folder) / "mind-5k"):
        items = [item for item, _ in one.shown]
        clicked = [click for _, click in one.shown]
        for rival, metrics in rivals.values():
            metrics.add(rival.scores(items, one.ts_ms), np.array(clicked))
            rival.learn(items, clicked, one.ts_ms)
    assert rivals.keys() == PUBLISHED.keys()
    for name, (auc, mrr, ndcg_5, ndcg_10, second) in PUBLISHED.items():
        found = rivals[name][1].summary()
        assert (found.auc, found.mrr) == pytest.approx((auc, mrr), abs=2e-3)
        assert (found.ndcg_at_5, found.ndcg_at_10) == pytest.approx((ndcg_5, ndcg_10), abs=2e-3)
        assert found.auc_second_half == pytest.approx(second, abs=2e-3)
