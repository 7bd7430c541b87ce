"""What the alternatives share: a small Flask application behind waitress, and who has what.

``POST /v1/recommend {"user_id", "n"}`` gives ``{"items": [{"item_id"}]}``; ``POST /v1/events``
takes a list of clicks and answers when they are learned; ``POST /rebuild`` makes anew what is made
in batches.
"""

from collections import Counter
from threading import Lock
from typing import Protocol

import waitress
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

__all__ = ["Model", "Seen", "run"]

_THREADS = 8


class Model(Protocol):
    """What ranks."""

    def recommend(self, user: str, n: int) -> list[str]:
        """Return the best items for somebody, without those they have."""
        ...

    def learn(self, clicks: list[tuple[str, str]]) -> None:
        """Learn clicks, each a person and an item."""
        ...

    def rebuild(self) -> None:
        """Make anew what is made in batches."""
        ...


class Seen:
    """Who has what, and how often everything was clicked."""

    def __init__(self) -> None:
        self.by_user: dict[str, dict[str, None]] = {}
        self.clicks: Counter[str] = Counter()
        self._popular: list[str] = []
        self._stale = 0

    def add(self, user: str, item: str) -> None:
        """Take note of a click."""
        self.by_user.setdefault(user, {})[item] = None
        self.clicks[item] += 1
        self._stale += 1

    def popular(self, user: str, n: int) -> list[str]:
        """Return the most popular items that somebody does not have."""
        if self._stale >= 100 or not self._popular:
            # Sorting all of them for each request would be most of its time.
            self._popular = [item for item, _ in self.clicks.most_common()]
            self._stale = 0
        has = self.by_user.get(user, {})
        found = list[str]()
        for item in self._popular:
            if item not in has:
                found.append(item)
                if len(found) == n:
                    break
        return found


def run(model: Model, port: int) -> None:
    """Serve a model, one call at a time."""
    app = Flask(__name__)
    lock = Lock()

    @app.post("/v1/recommend")
    def recommend() -> ResponseReturnValue:
        asked = request.get_json()
        with lock:
            items = model.recommend(asked["user_id"], asked.get("n", 10))
        return jsonify({"items": [{"item_id": item} for item in items]})

    @app.post("/v1/events")
    def events() -> ResponseReturnValue:
        clicks = [(one["user_id"], one["item_id"]) for one in request.get_json()]
        with lock:
            model.learn(clicks)
        return jsonify({"accepted": len(clicks)})

    @app.post("/rebuild")
    def rebuild() -> ResponseReturnValue:
        model.rebuild()
        return jsonify({})

    waitress.serve(app, host="127.0.0.1", port=port, threads=_THREADS, connection_limit=300)
