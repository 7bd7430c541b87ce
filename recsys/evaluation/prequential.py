"""The prequential next-item protocol: rank the item of each event, then learn the event.

Events come in time order, ties in file order. An event (u, i) is ranked when u has an earlier event
and i has been seen from anyone: all items seen so far, except those u already has, are ranked, at
the event's own time. Ties count against us: the rank is the number of candidates with a score of at
least the item's. An item that no source proposed is not found. Nothing looks ahead.

The engine is asked for a list of 20; whatever is not on it stands below it in the order of the mix
of the sources, from which the list was taken.
"""

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.datasets import Interaction, act_of
from recsys.engine import Engine
from recsys.evaluation.asking import ask, mixed, place, settings_of_protocol
from recsys.evaluation.metrics import RankMetrics, pessimistic_rank
from recsys.events import Attributes, Event, Feedback, ItemUpsert
from recsys.settings import EngineSettings, Ranker

__all__ = ["Report", "evaluate"]


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
        The same metrics of the mix and of each column of the candidate sources alone.
    attributes
        Whether the engine was told anything about the items.
    learner_examples, learner_choices
        What the learner has seen: shown slots with what they earned, and items chosen among others.
        A click that refers to no decision makes no example.
    not_candidates
        Ranked events whose item could not be found, because the user already had it.
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
    attributes: bool
    learner_examples: int
    learner_choices: int
    not_candidates: int

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
            "attributes": self.attributes,
            "learner_examples": self.learner_examples,
            "learner_choices": self.learner_choices,
            "not_candidates": self.not_candidates,
        }


class _Run:
    def __init__(self, settings: EngineSettings) -> None:
        self.engine = Engine.open(None, settings)
        self.metrics = RankMetrics()
        self.hidden = RankMetrics()
        columns = self.engine.state.pool.columns
        self.sources = {name: RankMetrics() for name in ("mix", *columns)}
        self.not_candidates = 0
        self.seconds = 0.0

    def rank(self, event: Interaction, previous_ms: int, event_id: str) -> None:
        if previous_ms != event.ts_ms:
            hidden = place(self.engine, event, ask(self.engine, event, previous_ms, event_id))
        started = time.perf_counter()
        slots = ask(self.engine, event, event.ts_ms, event_id)
        self.seconds += time.perf_counter() - started
        rank = place(self.engine, event, slots)
        self.metrics.add(rank)
        self.hidden.add(rank if previous_ms == event.ts_ms else hidden)
        self._rank_sources(event)

    def _rank_sources(self, event: Interaction) -> None:
        """Rank the item among all candidates by the mix and by each source alone."""
        target, total, candidates = mixed(self.engine, event)
        if target is None:
            self.not_candidates += 1
        scores = self.engine.state.pool.table(len(total))
        for name, column in zip(self.sources, (total, *scores.T), strict=True):
            self.sources[name].add(_rank(column, target, candidates))

    def learn(self, events: Sequence[Event]) -> None:
        started = time.perf_counter()
        self.engine.apply(events)
        self.seconds += time.perf_counter() - started


def _rank(
    scores: NDArray[np.float32], target: int | None, eligible: NDArray[np.bool_]
) -> int | None:
    """Return the rank of an item among those eligible; ``None`` stands for one that is not."""
    if target is None:
        return None
    score = float(scores[target])
    return pessimistic_rank(score, int(np.count_nonzero((scores >= score) & eligible)))


def evaluate(
    dataset: str,
    interactions: Sequence[Interaction],
    settings: EngineSettings,
    *,
    items: dict[str, Attributes] | None = None,
    click_at: float = 5.0,
    repeats: bool = False,
    ranker: Ranker = "learner",
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
        Where a row names its type, that says it.
    repeats
        Whether items that the user already has stay candidates.
    ranker
        Of the arm that is asked; not ``random``, which cannot do without exploration.
    progress
        Called with (done, total) now and then.
    """
    clicks = [one for one in interactions if act_of(one, click_at).type == "click"]
    n_items = len({one.item for one in clicks})
    run = _Run(settings_of_protocol(settings, n_items, repeats=repeats, ranker=ranker))
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
        attributes=bool(items),
        learner_examples=run.engine.stats().examples,
        learner_choices=run.engine.state.counters.choices,
        not_candidates=run.not_candidates,
    )
