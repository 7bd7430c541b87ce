"""Ranking metrics with one relevant item per list, accumulated one rank at a time."""

import math

__all__ = ["RankMetrics", "pessimistic_rank"]


class RankMetrics:
    """Recall@10, Recall@20, NDCG@10 and MRR over all ranked events.

    With one relevant item at rank r, NDCG@10 is ``1 / log2(r + 1)`` for r up to 10 (Järvelin &
    Kekäläinen 2002), and Recall@k is whether r is at most k.
    """

    def __init__(self) -> None:
        self.ranked = 0
        self._hits_10 = 0
        self._hits_20 = 0
        self._ndcg_10 = 0.0
        self._reciprocal = 0.0

    def add(self, rank: int | None) -> None:
        """Take in one rank, 1 for the top; ``None`` for an item that was not found."""
        self.ranked += 1
        if rank is None:
            return
        self._reciprocal += 1.0 / rank
        if rank <= 20:
            self._hits_20 += 1
        if rank <= 10:
            self._hits_10 += 1
            self._ndcg_10 += 1.0 / math.log2(rank + 1)

    def summary(self) -> dict[str, float]:
        """Return the means; all 0 before the first rank."""
        n = max(self.ranked, 1)
        return {
            "recall_at_10": self._hits_10 / n,
            "ndcg_at_10": self._ndcg_10 / n,
            "recall_at_20": self._hits_20 / n,
            "mrr": self._reciprocal / n,
        }


def pessimistic_rank(score: float, at_least: int) -> int | None:
    """Return the rank of an item, ties counted against it.

    Parameters
    ----------
    score
        Its score; an item with score 0 was proposed by nobody and is not found.
    at_least
        How many candidates, itself among them, score at least as high.
    """
    return at_least if score > 0.0 else None
