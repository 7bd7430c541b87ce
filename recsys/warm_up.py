"""A short life for an engine that nobody uses: everything is asked, learned and compiled once."""

from typing import TYPE_CHECKING

import msgspec

from recsys.decision import Request
from recsys.events import Event, Feedback, ItemUpsert

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
        shown = [slot.item_id for slot in decision.slots]
        clicks: list[Event] = [_feedback("u", item, ts_ms, decision.event_id) for item in shown]
        found = [_feedback("v", item, ts_ms + place) for place, item in enumerate(_ITEMS)]
        engine.apply([decision, *clicks, *found])
    engine.snapshot()


def _feedback(user: str, item: str, ts_ms: int, decision_id: str | None = None) -> Feedback:
    return Feedback(
        event_id=f"{user}-{item}-{ts_ms}",
        user_id=user,
        ts_ms=ts_ms,
        type="view",
        item_id=item,
        decision_id=decision_id,
    )
