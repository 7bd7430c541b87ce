"""Where an engine ranks an item among all that it could have offered to a person."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.choices import eligible
from recsys.datasets import Interaction
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Slot
from recsys.settings import ArmSettings, EngineSettings, GreedySettings, Ranker
from recsys.users import User

__all__ = ["LIST", "ask", "mixed", "place", "settings_of_protocol"]

LIST = 20
"""Slots asked for."""


def settings_of_protocol(
    settings: EngineSettings, n_items: int, *, repeats: bool, ranker: Ranker
) -> EngineSettings:
    """Return the settings under which the next item is ranked: nothing is explored.

    Parameters
    ----------
    n_items
        All of them are candidates: there must be room.
    """
    most = max(settings.catalogue.max_items, n_items)
    changes = {"repeats": repeats, "auto_insert": True, "max_items": most}
    catalogue = settings.catalogue.model_copy(update=changes)
    arms = {"learner": ArmSettings(ranker=ranker, policy=GreedySettings())}
    return settings.model_copy(update={"catalogue": catalogue, "arms": arms})


def ask(engine: Engine, event: Interaction, ts_ms: int, event_id: str) -> tuple[Slot, ...]:
    """Return the list that an engine offers to the person of an event."""
    request = Request(user_id=event.user, ts_ms=ts_ms, decision_id=f"ask-{event_id}", n=LIST)
    return engine.recommend(request).decision.slots


def place(engine: Engine, event: Interaction, slots: Sequence[Slot]) -> int | None:
    """Return the item's rank by the engine, just after it was asked for a list.

    ``None`` for one that no source proposed, or that is no candidate.
    """
    target, total, candidates = mixed(engine, event)
    if target is None or total[target] <= 0.0:
        return None
    found = next((slot for slot in slots if slot.item_id == event.item), None)
    if found is not None:
        return sum(other.score >= found.score for other in slots)
    for slot in slots:
        listed = engine.state.catalogue.index(slot.item_id)
        if listed is not None:
            candidates[listed] = False
    return len(slots) + int(np.count_nonzero((total >= total[target]) & candidates))


def mixed(
    engine: Engine, event: Interaction
) -> tuple[int | None, NDArray[np.float32], NDArray[np.bool_]]:
    """Return the item, the mix of what the engine's pool holds now, and who may be ranked."""
    state = engine.state
    user = state.users.get(event.user) or User(user_id=event.user)
    candidates = eligible(state, user)
    target = state.catalogue.index(event.item)
    if target is not None and not candidates[target]:
        target = None
    scores = state.pool.table(len(candidates)) * candidates[:, None]
    items = np.arange(len(candidates), dtype=np.int32)
    largest = scores.max(axis=0, initial=0.0)
    return target, state.pool.rate(items, state.weights, largest).mixed, candidates
