"""An engine that is led through impressions: told of items, asked, and told what was clicked.

What was shown becomes a decision with these items, and each click feedback that refers to it, from
which the joiner makes examples of clicks and of their absence. The decision says of itself:

- **slots**: the items in the order of the data set, each with score and features as the engine's
  answer had them;
- **propensities**: ``1 / (n - place)``, counted from 0. Which items were shown was decided by a
  policy that nobody logged, so the set is taken as given; the publishers shuffled its order, so
  that of what was left any item was as likely to come next;
- **policy**: ``shown``, an arm of its own: the engine's learner did not serve it.

As the order was shuffled, a place says nothing of whether it was looked at: every item that was not
clicked teaches that (``joiner.examination_decay`` is 0). An item is told to the engine, with its
attributes, in the moment when it is first named, before it is ranked: whoever shows it knows it.

A person's earlier clicks come without times; MIND took them from the four weeks before its
impressions (Wu et al., MIND: A Large-scale Dataset for News Recommendation, 2020). They are told
once, before the person's first impression is ranked, as clicks that refer to no list, spread evenly
over the four weeks before the first impression of all.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

from recsys.datasets import Impression
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Attributes, Decision, Event, Feedback, ItemUpsert, Slot
from recsys.settings import ArmSettings, EngineSettings, GreedySettings, Ranker

__all__ = ["ShownRun"]

_POLICY = "shown"
_EARLIER_MS = 28 * 86_400_000


class ShownRun:
    """An engine that goes through the impressions: ``meet``, ``ask`` and ``learn`` each one.

    Parameters
    ----------
    settings
        Of the engine; the protocol changes what it must.
    max_items
        Room that the catalogue needs.
    since_ms
        Time of the first impression of all.
    items
        Attributes by item.
    use_history
        Whether the engine is told the clicks before a person's first impression.
    ranker
        Of the arm that is asked; not ``random``, which cannot do without exploration.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        max_items: int,
        since_ms: int,
        items: Mapping[str, Attributes],
        use_history: bool,
        ranker: Ranker = "learner",
    ) -> None:
        n_items = max(settings.catalogue.max_items, max_items)
        changes = {"auto_insert": True, "max_items": n_items}
        changed = {
            "catalogue": settings.catalogue.model_copy(update=changes),
            "joiner": settings.joiner.model_copy(update={"examination_decay": 0.0}),
            "arms": {"learner": ArmSettings(ranker=ranker, policy=GreedySettings())},
        }
        self.engine = Engine.open(None, settings.model_copy(update=changed))
        self.users = set[str]()
        self.named = set[str]()
        self.events = 0
        self.seconds = 0.0
        self._attributes = items
        self._use_history = use_history
        self._since_ms = since_ms

    def meet(self, impression: Impression) -> None:
        """Tell the engine which items and earlier clicks this impression brings."""
        events = list[Event]()
        if self._use_history and impression.user not in self.users:
            events += self._earlier(impression)
        events += self._upserts([item for item, _ in impression.shown], impression.ts_ms)
        self.users.add(impression.user)
        self._apply(events)

    def ask(self, impression: Impression) -> Decision:
        """Return the engine's answer; its slots are in the order of their rank."""
        items = tuple(item for item, _ in impression.shown)
        request = Request(
            user_id=impression.user,
            ts_ms=impression.ts_ms,
            decision_id=_decision_id(impression),
            n=len(items),
            candidates=items,
        )
        started = time.perf_counter()
        answer = self.engine.recommend(request).decision
        self.seconds += time.perf_counter() - started
        return answer

    def learn(self, impression: Impression, answer: Decision) -> None:
        """Tell the engine what was shown and clicked.

        Parameters
        ----------
        answer
            What ``ask`` returned for this impression.
        """
        served = {slot.item_id: slot for slot in answer.slots}
        n = len(impression.shown)
        decision_id = _decision_id(impression)
        slots = tuple(
            Slot(item, 1.0 / (n - place), served[item].score, served[item].features)
            for place, (item, _) in enumerate(impression.shown)
        )
        decision = Decision(
            event_id=decision_id,
            user_id=impression.user,
            ts_ms=impression.ts_ms,
            slots=slots,
            policy=_POLICY,
            model_sequence=answer.model_sequence,
            features=answer.features,
        )
        clicked = [item for item, click in impression.shown if click]
        clicks = [
            _click(
                impression, item, f"click-{impression.line}-{number}", impression.ts_ms, decision_id
            )
            for number, item in enumerate(clicked)
        ]
        self._apply([decision, *clicks])

    def _earlier(self, impression: Impression) -> list[Event]:
        """Return a person's clicks of before, each after its item where that is new."""
        history = impression.history
        step_ms = _EARLIER_MS // (len(history) + 1)
        events = list[Event]()
        for number, item in enumerate(history):
            ts_ms = max(self._since_ms - (len(history) - number) * step_ms, 0)
            events += self._upserts([item], ts_ms)
            events.append(_click(impression, item, f"before-{impression.line}-{number}", ts_ms))
        return events

    def _upserts(self, items: Iterable[str], ts_ms: int) -> list[Event]:
        """Return the upserts of items that were not named before, each once."""
        new = [item for item in dict.fromkeys(items) if item not in self.named]
        self.named.update(new)
        return [
            ItemUpsert(
                event_id=f"item-{number}",
                ts_ms=ts_ms,
                item_id=item,
                attributes=self._attributes.get(item, {}),
            )
            for number, item in enumerate(new, start=len(self.named) - len(new))
        ]

    def _apply(self, events: Sequence[Event]) -> None:
        started = time.perf_counter()
        self.engine.apply(events)
        self.seconds += time.perf_counter() - started
        self.events += len(events)


def _decision_id(impression: Impression) -> str:
    # The line, because files that were put together repeat the publishers' ids.
    return f"impression-{impression.line}"


def _click(
    impression: Impression, item: str, event_id: str, ts_ms: int, decision_id: str | None = None
) -> Feedback:
    return Feedback(
        event_id=event_id,
        user_id=impression.user,
        ts_ms=ts_ms,
        type="click",
        item_id=item,
        decision_id=decision_id,
    )
