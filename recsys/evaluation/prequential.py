"""The prequential next-item protocol: rank the item of each event, then learn the event.

Events come in time order, ties in file order. An event (u, i) is ranked when u has an earlier event
and i has been seen from anyone: all items seen so far, except those u already has, are ranked, at
the event's own time. Ties count against us: the rank is the number of candidates with a score of at
least the item's. An item that no source proposed is not found. Nothing looks ahead.
"""

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from recsys.candidates.mix import mix
from recsys.datasets import Interaction
from recsys.decision import Request
from recsys.engine import Engine
from recsys.evaluation.metrics import RankMetrics, pessimistic_rank
from recsys.events import Attributes, Event, Feedback, ItemUpsert
from recsys.settings import ArmSettings, EngineSettings, GreedySettings
from recsys.users import User

__all__ = ["Report", "evaluate"]

_LIST = 100
"""Slots asked for; an item ranked below counts as not found."""


class Report(msgspec.Struct, kw_only=True):
    """Result of one run; ``to_json`` gives the keys of the benchmark's file.

    Attributes
    ----------
    hidden
        Recall@10 when asked at the time of the user's previous event, so that the length of the
        pause tells nothing.
    events_per_second
        Recommend and apply together, without the bookkeeping of the protocol.
    sources
        The same metrics of each candidate source alone.
    """

    dataset: str
    events: int
    users: int
    items: int
    ranked: int
    metrics: dict[str, float]
    hidden: float
    events_per_second: float
    sources: dict[str, dict[str, float]]

    def to_json(self) -> dict[str, object]:
        """Return the flat document."""
        return {
            "dataset": self.dataset,
            "events": self.events,
            "users": self.users,
            "items": self.items,
            "ranked": self.ranked,
            **self.metrics,
            "recall_at_10_hidden": self.hidden,
            "events_per_second": self.events_per_second,
            "sources": self.sources,
        }


class _Run:
    def __init__(self, settings: EngineSettings) -> None:
        self.engine = Engine.open(None, settings)
        self.metrics = RankMetrics()
        self.hidden = RankMetrics()
        self.sources = {source.name: RankMetrics() for source in self.engine.state.sources}
        self.seconds = 0.0

    def rank(self, event: Interaction, previous_ms: int, event_id: str) -> None:
        started = time.perf_counter()
        slots = self._ask(event, event.ts_ms, event_id)
        self.seconds += time.perf_counter() - started
        self.metrics.add(_rank(slots, event.item))
        if previous_ms != event.ts_ms:
            slots = self._ask(event, previous_ms, event_id)
        self.hidden.add(_rank(slots, event.item))
        self._rank_sources(event)

    def _ask(self, event: Interaction, ts_ms: int, event_id: str) -> list[tuple[str, float]]:
        request = Request(user_id=event.user, ts_ms=ts_ms, decision_id=f"ask-{event_id}", n=_LIST)
        slots = self.engine.recommend(request).decision.slots
        return [(slot.item_id, slot.score) for slot in slots]

    def _rank_sources(self, event: Interaction) -> None:
        state = self.engine.state
        target = state.catalogue.index(event.item)
        user = state.users.get(event.user) or User(user_id=event.user)
        eligible = state.catalogue.alive.copy()
        if not state.settings.catalogue.repeats:
            eligible[list(user.consumed)] = False
        mixed = mix(state.sources, state.source_weights, user, event.ts_ms, len(state.catalogue))
        for source, scores in zip(state.sources, mixed.columns, strict=True):
            candidate = target is not None and eligible[target]
            score = float(scores[target]) if candidate else 0.0
            at_least = int(np.count_nonzero((scores >= score) & eligible))
            self.sources[source.name].add(pessimistic_rank(score, at_least))

    def learn(self, events: Sequence[Event]) -> None:
        started = time.perf_counter()
        self.engine.apply(events)
        self.seconds += time.perf_counter() - started


def _rank(slots: Sequence[tuple[str, float]], item: str) -> int | None:
    score = next((score for item_id, score in slots if item_id == item), None)
    return None if score is None else sum(other >= score for _, other in slots)


def evaluate(
    dataset: str,
    interactions: Sequence[Interaction],
    settings: EngineSettings,
    *,
    items: dict[str, Attributes] | None = None,
    click_at: float = 5.0,
    repeats: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Run the protocol on the engine's own ``recommend`` and ``apply``, exploration off.

    Parameters
    ----------
    interactions
        In time order.
    items
        Attributes, given to the engine when an item is first seen; ``None`` for none.
    click_at
        Ratings from here on are clicks, lower ones are left out; rows without a rating are clicks.
    repeats
        Whether items that the user already has stay candidates.
    progress
        Called with (done, total) now and then.
    """
    catalogue = settings.catalogue.model_copy(update={"repeats": repeats})
    arms = {"learner": ArmSettings(policy=GreedySettings())}
    run = _Run(settings.model_copy(update={"catalogue": catalogue, "arms": arms}))
    clicks = [one for one in interactions if one.rating is None or one.rating >= click_at]
    last_ms = dict[str, int]()
    seen = set[str]()
    for number, event in enumerate(clicks):
        event_id = str(number)
        if event.user in last_ms and event.item in seen:
            run.rank(event, last_ms[event.user], event_id)
        events = list[Event]()
        if items and event.item not in seen:
            attributes = items.get(event.item, {})
            events.append(
                ItemUpsert(
                    event_id=f"item-{event_id}",
                    ts_ms=event.ts_ms,
                    item_id=event.item,
                    attributes=attributes,
                )
            )
        events.append(
            Feedback(
                event_id=event_id,
                user_id=event.user,
                ts_ms=event.ts_ms,
                type="click",
                item_id=event.item,
            )
        )
        run.learn(events)
        last_ms[event.user] = event.ts_ms
        seen.add(event.item)
        progress(number + 1, len(clicks))
    return Report(
        dataset=dataset,
        events=len(clicks),
        users=len(last_ms),
        items=len(seen),
        ranked=run.metrics.ranked,
        metrics=run.metrics.summary(),
        hidden=run.hidden.summary()["recall_at_10"],
        events_per_second=len(clicks) / run.seconds if run.seconds else 0.0,
        sources={name: metrics.summary() for name, metrics in run.sources.items()},
    )
