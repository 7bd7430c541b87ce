"""Ranking metrics with several relevant items per list, accumulated one list at a time.

With the clicked items at ranks r_1 < r_2 < ... < r_m of a list of n::

    AUC     share of the m (n - m) pairs of a clicked and another item that are in the right order;
            pairs with equal scores count half
    MRR     (1 / r_1 + ... + 1 / r_m) / m
    nDCG@k  sum of 1 / log2(r_i + 1) over r_i <= k, divided by its largest possible value

These are the definitions of MIND's official evaluation. MRR is not the reciprocal rank of the first
clicked item alone.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["ListMetrics", "Ranking", "auc", "mrr", "ndcg"]


class Ranking(msgspec.Struct, frozen=True):
    """Means over all ranked lists; the last is the AUC of the later half of them."""

    auc: float
    mrr: float
    ndcg_at_5: float
    ndcg_at_10: float
    auc_second_half: float


def auc(scores: NDArray[np.float64], clicked: NDArray[np.bool_]) -> float:
    """Return the AUC of a list with clicked and other items, both shape ``(n_items,)``."""
    good, bad = scores[clicked][:, None], scores[~clicked]
    right = np.count_nonzero(good > bad) + 0.5 * np.count_nonzero(good == bad)
    return float(right / (len(good) * len(bad)))


def mrr(ranks: NDArray[np.int64]) -> float:
    """Return the mean reciprocal rank of the clicked items, shape ``(n_clicked,)``."""
    return float(np.mean(1.0 / ranks))


def ndcg(ranks: NDArray[np.int64], k: int) -> float:
    """Return the nDCG@k of the clicked items' ranks, shape ``(n_clicked,)``."""
    best = np.arange(1, min(len(ranks), k) + 1)
    return float(np.sum(1.0 / np.log2(ranks[ranks <= k] + 1)) / np.sum(1.0 / np.log2(best + 1)))


class ListMetrics:
    """AUC, MRR, nDCG@5 and nDCG@10 over the lists that have clicked items and others.

    Parameters
    ----------
    seed
        Of the lots by which equal scores are put into an order for MRR and nDCG.
    """

    def __init__(self, seed: int) -> None:
        self._lots = np.random.default_rng(seed)
        self._rows = list[tuple[float, float, float, float]]()

    @property
    def ranked(self) -> int:
        """Number of lists taken in."""
        return len(self._rows)

    def add(self, scores: NDArray[np.float64], clicked: NDArray[np.bool_]) -> None:
        """Take in one list, both shape ``(n_items,)``; one without any order to find is left out.

        Raises
        ------
        ValueError
            When a score is not a number, which has no place in any order.
        """
        if np.isnan(scores).any():
            message = "a score is not a number"
            raise ValueError(message)
        if clicked.all() or not clicked.any():
            return
        order = np.lexsort((self._lots.random(len(scores)), -scores))
        ranks = np.flatnonzero(clicked[order]) + 1
        self._rows.append((auc(scores, clicked), mrr(ranks), ndcg(ranks, 5), ndcg(ranks, 10)))

    def summary(self) -> Ranking:
        """Return the means; all 0 before the first list."""
        if not self._rows:
            return Ranking(0.0, 0.0, 0.0, 0.0, 0.0)
        rows = np.array(self._rows)
        second_half = rows[len(rows) // 2 :, 0].mean()
        return Ranking(*(float(mean) for mean in (*rows.mean(axis=0), second_half)))
