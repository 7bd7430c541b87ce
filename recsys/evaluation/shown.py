"""Ranking what was shown: order the items of each impression, then learn which were clicked.

Impressions come in time order, ties in file order. Before an impression is learned, the engine is
asked to rank the items that it showed, and the order of their served scores is held against the
clicks (``recsys.evaluation.list_metrics``). Then what really happened is applied
(``recsys.evaluation.shown_run``). Nothing looks ahead. An impression without clicks, or with
nothing but clicks, has no order to find: it is learned and not ranked.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.datasets import Impression
from recsys.evaluation.competitors import competitors
from recsys.evaluation.list_metrics import ListMetrics, Ranking
from recsys.evaluation.shown_run import ShownRun
from recsys.events import Attributes, Decision
from recsys.settings import EngineSettings, Ranker

__all__ = ["ShownReport", "evaluate_shown"]

_SEED = 1


class ShownReport(msgspec.Struct, kw_only=True):
    """Result of one run; ``to_json`` gives the keys of the benchmark's file.

    Attributes
    ----------
    ranked
        Impressions that have an order to find.
    history, attributes
        Whether the engine was told the earlier clicks, and anything about the items.
    learner_examples, learner_choices
        What the learner has seen: shown slots with what they earned, and items chosen among others.
    events_per_second
        Events applied (items, decisions, clicks) by the time of recommend and apply together,
        without the bookkeeping of the protocol.
    competitors
        The metrics of simple rankers on the same impressions.
    """

    dataset: str
    impressions: int
    ranked: int
    shown: int
    clicks: int
    users: int
    items: int
    history: bool
    attributes: bool
    metrics: Ranking
    events_per_second: float
    learner_examples: int
    learner_choices: int
    competitors: dict[str, Ranking]

    def to_json(self) -> dict[str, object]:
        """Return the document, the engine's metrics at its top."""
        document: dict[str, object] = msgspec.to_builtins(self)
        metrics = msgspec.to_builtins(document.pop("metrics"))
        return {"dataset": document.pop("dataset"), **metrics, **document}


def _scores(answer: Decision, items: Sequence[str]) -> NDArray[np.float64]:
    """Return the served scores in the order of the items, shape ``(n_items,)``."""
    served = {slot.item_id: slot.score for slot in answer.slots}
    return np.array([served[item] for item in items])


def evaluate_shown(
    dataset: str,
    impressions: Sequence[Impression],
    settings: EngineSettings,
    *,
    items: Mapping[str, Attributes] | None = None,
    use_history: bool = True,
    ranker: Ranker = "learner",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ShownReport:
    """Run the protocol on the engine's own ``recommend`` and ``apply``, exploration off.

    Parameters
    ----------
    impressions
        In time order.
    items
        Attributes by item; ``None`` for none.
    use_history
        Whether the engine is told the clicks before a person's first impression.
    ranker
        Of the arm that is asked; not ``random``, which cannot do without exploration.
    progress
        Called with (done, total) now and then.
    """
    names = {item for one in impressions for item, _ in one.shown}
    if use_history:
        names.update(item for one in impressions for item in one.history)
    run = ShownRun(
        settings,
        max_items=len(names),
        since_ms=min((one.ts_ms for one in impressions), default=0),
        items=items or {},
        use_history=use_history,
        ranker=ranker,
    )
    metrics = ListMetrics(_SEED)
    rivals = [(rival, ListMetrics(_SEED)) for rival in competitors(_SEED)]
    for number, impression in enumerate(impressions, start=1):
        shown = [item for item, _ in impression.shown]
        labels = [click for _, click in impression.shown]
        clicked = np.array(labels, np.bool_)
        run.meet(impression)
        answer = run.ask(impression)
        metrics.add(_scores(answer, shown), clicked)
        run.learn(impression, answer)
        for rival, its_metrics in rivals:
            its_metrics.add(rival.scores(shown, impression.ts_ms), clicked)
            rival.learn(shown, labels, impression.ts_ms)
        progress(number, len(impressions))
    return ShownReport(
        dataset=dataset,
        impressions=len(impressions),
        ranked=metrics.ranked,
        shown=sum(len(one.shown) for one in impressions),
        clicks=sum(click for one in impressions for _, click in one.shown),
        users=len(run.users),
        items=len(names),
        history=use_history,
        attributes=bool(items),
        metrics=metrics.summary(),
        events_per_second=run.events / run.seconds if run.seconds else 0.0,
        learner_examples=run.engine.stats().examples,
        learner_choices=run.engine.state.counters.choices,
        competitors={rival.name: its_metrics.summary() for rival, its_metrics in rivals},
    )
