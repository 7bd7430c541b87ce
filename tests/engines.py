"""Engines and events for tests of the engine: short to write, nothing random."""

from collections.abc import Sequence

from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Attributes, Decision, Event, Feedback, ItemUpsert
from recsys.settings import EngineSettings
from recsys.store.base import Store
from recsys.store.memory import MemoryStore

__all__ = ["KEY", "ask", "asked", "engine_with", "feedback", "item", "items", "request"]

KEY = b"k" * 32
GENRES = ("crime", "drama", "comedy")


def item(
    number: int, *, ts_ms: int | None = None, attributes: Attributes | None = None
) -> ItemUpsert:
    """Return the upsert of ``i<number>``, a genre by turns."""
    return ItemUpsert(
        event_id=f"item-{number}-{ts_ms}",
        ts_ms=number if ts_ms is None else ts_ms,
        item_id=f"i{number}",
        attributes={"genre": GENRES[number % 3]} if attributes is None else attributes,
    )


def items(n: int) -> list[Event]:
    """Return the upserts of ``i0`` to ``i<n - 1>``."""
    return [item(number) for number in range(n)]


def feedback(
    user: str,
    item_id: str,
    ts_ms: int,
    kind: str = "click",
    *,
    decision_id: str | None = None,
    value: float | None = None,
) -> Feedback:
    """Return feedback whose id says all that it is."""
    return Feedback(
        event_id=f"{user}-{item_id}-{kind}-{ts_ms}-{decision_id}",
        user_id=user,
        item_id=item_id,
        ts_ms=ts_ms,
        type=kind,
        decision_id=decision_id,
        value=value,
    )


def engine_with(
    events: Sequence[Event] = (), settings: EngineSettings | None = None, store: Store | None = None
) -> Engine:
    """Return an engine in memory that has learned the events."""
    engine = Engine(store or MemoryStore(), settings or EngineSettings(), KEY)
    engine.apply(events)
    return engine


def request(user: str, decision_id: str, ts_ms: int = 1_000_000, n: int = 10) -> Request:
    """Return a question without extras."""
    return Request(user_id=user, decision_id=decision_id, ts_ms=ts_ms, n=n)


def ask(
    engine: Engine, user: str, decision_id: str, ts_ms: int = 1_000_000, n: int = 10
) -> Decision:
    """Ask, without logging the answer."""
    return engine.recommend(request(user, decision_id, ts_ms, n)).decision


def asked(
    engine: Engine, user: str, decision_id: str, ts_ms: int = 1_000_000, n: int = 10
) -> Decision:
    """Ask, and log the answer."""
    decision = ask(engine, user, decision_id, ts_ms, n)
    engine.apply([decision])
    return decision
