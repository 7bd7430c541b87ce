"""A recommender that is rebuilt every minute, its lists kept in Redis and served by Flask.

``implicit``'s alternating least squares over all clicks; a list of ten for everybody who has any is
written to Redis, without what they had then. Who has none gets what is popular.
"""

import json
import sys
import time
from threading import Lock, Thread

import numpy as np
from implicit.als import AlternatingLeastSquares
from redis import Redis
from scipy.sparse import csr_matrix

from benchmarks.peers.app import Seen, run

__all__ = ["Batch"]

_EVERY_S = 60.0
_LIST = 10


class Batch:
    """The lists."""

    def __init__(self, port: int) -> None:
        self._redis = Redis(port=port)
        self._seen = Seen()
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._rows: list[tuple[int, int]] = []
        self._building = Lock()
        Thread(target=self._keep_building, daemon=True).start()

    def recommend(self, user: str, n: int) -> list[str]:
        """Look the list up."""
        found = self._redis.get(f"list:{user}")
        if found is None:
            return self._seen.popular(user, n)
        items: list[str] = json.loads(found)
        return items[:n]

    def learn(self, clicks: list[tuple[str, str]]) -> None:
        """Keep clicks for the next time."""
        for user, item in clicks:
            self._seen.add(user, item)
            place = self._users.setdefault(user, len(self._users))
            self._rows.append((place, self._items.setdefault(item, len(self._items))))

    def rebuild(self) -> None:
        """Make all lists anew."""
        with self._building:
            rows = list(self._rows)
            if not rows:
                return
            users, items = list(self._users), list(self._items)
            pairs = np.array(rows)
            shape = (int(pairs[:, 0].max()) + 1, int(pairs[:, 1].max()) + 1)
            values = np.ones(len(rows), dtype=np.float32)
            clicks = csr_matrix((values, (pairs[:, 0], pairs[:, 1])), shape=shape)
            model = AlternatingLeastSquares(
                factors=64, regularization=0.05, iterations=15, num_threads=1, random_state=1
            )
            model.fit(clicks, show_progress=False)
            everybody = np.arange(shape[0])
            lists, _ = model.recommend(everybody, clicks, N=_LIST)
            with self._redis.pipeline(transaction=False) as pipe:
                for user, best in zip(users, lists, strict=False):
                    pipe.set(f"list:{user}", json.dumps([items[one] for one in best]))
                pipe.execute()

    def _keep_building(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            self.rebuild()


if __name__ == "__main__":
    run(Batch(int(sys.argv[2])), int(sys.argv[1]))
