"""Metrics of lists with several clicked items, against values worked out by hand."""

import math

import msgspec
import numpy as np
import pytest

from recsys.evaluation.list_metrics import ListMetrics, Ranking, auc, mrr, ndcg


def metrics_of(*lists: tuple[list[float], str], seed: int = 1) -> ListMetrics:
    """Take in lists of scores and labels, such as ``([.3, .2, .1], "010")``."""
    metrics = ListMetrics(seed)
    for scores, labels in lists:
        metrics.add(np.array(scores), np.array([label == "1" for label in labels]))
    return metrics


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([3, 2, 1], "100", 1.0),
        ([3, 2, 1], "001", 0.0),
        ([3, 2, 1], "010", 1 / 2),
        ([4, 3, 2, 1], "1010", 3 / 4),
        ([1, 1, 1], "010", 1 / 2),  # nothing but ties
        ([2, 2, 1, 0], "0110", (0.5 + 1 + 0 + 1) / 4),  # the first pair is a tie
        ([-math.inf, 0, 1], "011", 1.0),
    ],
)
def test_auc_is_the_share_of_pairs_in_order(
    scores: list[float], labels: str, expected: float
) -> None:
    clicked = np.array([label == "1" for label in labels])
    assert auc(np.array(scores, np.float64), clicked) == expected


def test_mrr_is_the_mean_over_the_clicked() -> None:
    assert mrr(np.array([2, 4])) == pytest.approx((1 / 2 + 1 / 4) / 2)


@pytest.mark.parametrize(
    ("ranks", "k", "expected"),
    [
        ([1], 5, 1.0),
        ([3], 5, 1 / 2),
        ([6], 5, 0.0),
        ([6], 10, 1 / math.log2(7)),
        ([1, 3], 5, (1 + 1 / 2) / (1 + 1 / math.log2(3))),
        ([1, 2, 3, 4, 5, 6], 5, 1.0),  # six clicks do not fit into five places
    ],
)
def test_ndcg_discounts_by_the_logarithm_of_the_rank(
    ranks: list[int], k: int, expected: float
) -> None:
    assert ndcg(np.array(ranks), k) == pytest.approx(expected)


def test_means_over_the_lists() -> None:
    metrics = metrics_of(([3, 2, 1], "100"), ([3, 2, 1], "010"), ([1, 2, 3], "110"))
    assert metrics.ranked == 3
    two_of_three = (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3))
    assert msgspec.structs.asdict(metrics.summary()) == pytest.approx(
        {
            "auc": (1 + 1 / 2 + 0) / 3,
            "mrr": (1 + 1 / 2 + (1 / 3 + 1 / 2) / 2) / 3,
            "ndcg_at_5": (1 + 1 / math.log2(3) + two_of_three) / 3,
            "ndcg_at_10": (1 + 1 / math.log2(3) + two_of_three) / 3,
            "auc_second_half": (1 / 2 + 0) / 2,
        }
    )


def test_lists_without_an_order_to_find_are_left_out() -> None:
    assert metrics_of(([2, 1], "00"), ([2, 1], "11")).ranked == 0
    assert metrics_of(([2, 1], "00"), ([2, 1], "10")).summary().auc == 1.0
    assert metrics_of().summary() == Ranking(0.0, 0.0, 0.0, 0.0, 0.0)


def test_ties_are_put_in_order_by_lot() -> None:
    tied = [([1.0] * 4, label) for label in ("1000", "0100", "0010", "0001")] * 500
    summary = metrics_of(*tied).summary()
    assert summary.auc == 1 / 2
    assert summary.mrr == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4, abs=0.02)
    assert metrics_of(*tied).summary() == summary
    assert metrics_of(*tied, seed=2).summary() != summary


def test_what_is_not_a_number_has_no_rank() -> None:
    with pytest.raises(ValueError, match="not a number"):
        metrics_of(([math.nan, 1.0], "10"))
