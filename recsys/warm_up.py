"""A short life for an engine that nobody uses: everything is asked, learned and compiled once."""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from recsys.decision import Request
from recsys.events import Event, Feedback, ItemUpsert
from recsys.policies.build import build_policy
from recsys.policies.slate import draw

if TYPE_CHECKING:
    from recsys.engine import Engine

__all__ = ["live"]

_ITEMS = ("a", "b", "c", "d")


def live(engine: "Engine") -> None:
    """Let two people find items, be shown lists by every arm, and click."""
    engine.apply(
        [
            ItemUpsert(event_id=item, ts_ms=0, item_id=item, attributes={"kind": ["x", "y"]})
            for item in _ITEMS
        ]
    )
    for turn, arm in enumerate(sorted(engine.settings.arms) * 2, start=1):
        ts_ms = 1000 * turn
        request = Request(
            user_id="u", ts_ms=ts_ms, decision_id=f"d{turn}", context={"turn": float(turn)}, arm=arm
        )
        decision = engine.recommend(request).decision
        engine.recommend(msgspec.structs.replace(request, candidates=(*_ITEMS, "unknown")))
        # A list whose scores are not finite is drawn by itself.
        draw(build_policy(engine.settings.arms[arm].policy), np.zeros(2), 1, 0)
        shown = [slot.item_id for slot in decision.slots]
        clicks: list[Event] = [_feedback("u", item, ts_ms, decision.event_id) for item in shown]
        found = [_feedback("v", item, ts_ms + place) for place, item in enumerate(_ITEMS)]
        engine.apply([decision, *clicks, *found])
    _mix(engine)
    engine.snapshot()


def _mix(engine: "Engine") -> None:
    """Let it learn what it has seen itself, as if another shard had."""
    own = engine.mix.begin("warm")
    engine.apply([own] if own is not None else [])
    engine.apply([_feedback("w", item, 9000 + place) for place, item in enumerate(_ITEMS)])
    request = Request(user_id="w", ts_ms=9500, decision_id="w", context={"turn": 9.0})
    decision = engine.recommend(request).decision
    shown = [slot.item_id for slot in decision.slots]
    engine.apply([decision, *(_feedback("w", item, 9600, "w") for item in shown)])
    cut = engine.mix.cut(0)
    pieces = [] if cut is None else [msgspec.structs.replace(one, shard="w") for one in cut.seal(9)]
    engine.apply([engine.mix.mixed(one) for one in pieces])


def _feedback(user: str, item: str, ts_ms: int, decision_id: str | None = None) -> Feedback:
    return Feedback(
        event_id=f"{user}-{item}-{ts_ms}",
        user_id=user,
        ts_ms=ts_ms,
        type="view",
        item_id=item,
        decision_id=decision_id,
    )
