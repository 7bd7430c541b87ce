"""One Flask process with a River model under a lock.

``river.reco.BiasedMF`` learns each click as 1 and an item drawn from all as 0, at once; the hundred
most popular items that somebody does not have are ranked by it and their popularity.
"""

import random
import sys
from typing import Protocol, cast

from river.optim import SGD
from river.reco import BiasedMF

from benchmarks.peers.app import Seen, run

__all__ = ["River"]

_CANDIDATES = 100


class _Rater(Protocol):
    """What River's recommenders do."""

    def predict_one(self, user: str, item: str) -> float: ...

    def learn_one(self, user: str, item: str, y: float) -> None: ...


class River:
    """The model."""

    def __init__(self) -> None:
        self._seen = Seen()
        self._items: list[str] = []
        self._rng = random.Random(1)
        model = BiasedMF(n_factors=16, bias_optimizer=SGD(0.05), latent_optimizer=SGD(0.05), seed=1)
        self._model = cast("_Rater", model)

    def recommend(self, user: str, n: int) -> list[str]:
        """Rank the popular ones."""
        candidates = self._seen.popular(user, _CANDIDATES)
        clicks = self._seen.clicks
        most = max((clicks[item] for item in candidates), default=1)
        scores = {
            item: self._model.predict_one(user, item) + clicks[item] / most for item in candidates
        }
        return sorted(candidates, key=lambda item: -scores[item])[:n]

    def learn(self, clicks: list[tuple[str, str]]) -> None:
        """Learn each click and something that was not clicked."""
        for user, item in clicks:
            if item not in self._seen.clicks:
                self._items.append(item)
            self._seen.add(user, item)
            self._model.learn_one(user, item, 1.0)
            other = self._rng.choice(self._items)
            if other not in self._seen.by_user[user]:
                self._model.learn_one(user, other, 0.0)

    def rebuild(self) -> None:
        """Do nothing: it is up to date."""


if __name__ == "__main__":
    run(River(), int(sys.argv[1]))
