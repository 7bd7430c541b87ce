"""Who shows lists to a world's people: an engine in this process, or what it is held against.

Everything happens on the world's clock. A list is shown, looked at and learned before the next one
is asked for; clicks, and the seconds then spent, carry the time of their list, as from people who
report at once. The seeds of the world and of the settings decide everything.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, NamedTuple, Protocol

from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Decision, Event, Feedback, ItemUpsert
from recsys.keyfile import KEY_BYTES
from recsys.settings import EngineSettings
from recsys.store.memory import MemoryStore
from simulators.audience import Person
from simulators.catalogue import Catalogue
from simulators.timeline import looks
from simulators.truth import expected_clicks, personal_rates
from simulators.worlds import Click, World

__all__ = ["LIST", "Embedded", "Service", "Shown", "look", "play"]

LIST: Final = 10
"""Items of a list."""
_START_S: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
_KEY: Final = bytes(KEY_BYTES)
"""What it seals never leaves this process."""
_LOG_EVENTS: Final = 1000
"""Nothing here reads the log, and a copy has to carry it."""


class Shown(NamedTuple):
    """A list that was looked at.

    Attributes
    ----------
    expected, best
        Clicks that this list, and that the best list, would have got from the same person at the
        same moment, in expectation. The clicks that were drawn decide what happens next; what is
        reported are expectations, which do not scatter.
    """

    items: Sequence[str]
    clicks: Sequence[Click]
    expected: float
    best: float


class Service(Protocol):
    """Whoever shows lists and learns from what comes of them."""

    def show(self, world: World, person: Person, at_s: float) -> Shown:
        """Let a person look at one list."""


def look(world: World, person: Person, items: Sequence[str]) -> Shown:
    """Let a person look at these items; nobody learns from it yet."""
    expected = expected_clicks(world, person, items)
    best = len(items) * personal_rates(world, person, len(items))[0]
    return Shown(items, world.look(person, items), expected, best)


def play(
    service: Service, world: World, n_lists: int, *, from_s: float = 0.0, stream: int = 0
) -> tuple[list[tuple[Person, Shown]], float]:
    """Let a world's people look at so many lists, as they come.

    Parameters
    ----------
    from_s
        The moment at which the first one may come.
    stream
        See ``World.arrivals``.

    Returns
    -------
    Who looked at what, in the order of time, and the moment of the last list.
    """
    seen = list[tuple[Person, Shown]]()
    at_s = 0.0
    for at_s, person in islice(looks(world, stream), n_lists):
        seen.append((person, service.show(world, person, from_s + at_s)))
    return seen, from_s + at_s


class Embedded:
    """The engine as a service. Of people it is told nothing but what they do.

    Parameters
    ----------
    store
        Owned from now on.
    """

    def __init__(self, store: MemoryStore, settings: EngineSettings) -> None:
        self._store = store
        self.engine = Engine(store, settings, _KEY)

    @classmethod
    def open(cls, catalogue: Catalogue, settings: EngineSettings) -> "Embedded":
        """Return a new engine that knows the items."""
        service = cls(MemoryStore(log_events=_LOG_EVENTS), settings)
        told = zip(catalogue.ids, catalogue.attributes, strict=True)
        service.engine.apply(
            [
                ItemUpsert(event_id=f"put:{item}", ts_ms=_ts_ms(0.0), item_id=item, attributes=all_)
                for item, all_ in told
            ]
        )
        return service

    def copy(self) -> "Embedded":
        """Return another engine that has learned the same, and from now on learns by itself."""
        self.engine.snapshot()
        return Embedded(self._store.reopened(), self.engine.settings)

    def show(self, world: World, person: Person, at_s: float) -> Shown:
        """Let a person look at the engine's list."""
        decision = self.ask(person, at_s)
        shown = look(world, person, [slot.item_id for slot in decision.slots])
        self.learn(decision, shown.clicks)
        return shown

    def ask(self, person: Person, at_s: float, candidates: Sequence[str] | None = None) -> Decision:
        """Return the engine's list; with ``candidates``, all of them in the engine's order."""
        request = Request(
            user_id=person.user_id,
            ts_ms=_ts_ms(at_s),
            decision_id=f"{person.user_id}:{person.lists}",
            n=LIST if candidates is None else len(candidates),
            candidates=None if candidates is None else tuple(candidates),
        )
        return self.engine.recommend(request).decision

    def click(self, person: Person, at_s: float, item: str) -> None:
        """Take in a click on an item that the person found by themselves."""
        click = Feedback(
            event_id=f"{person.user_id}:{person.lists}:found",
            user_id=person.user_id,
            ts_ms=_ts_ms(at_s),
            type="click",
            item_id=item,
        )
        self.engine.apply([click])

    def learn(self, decision: Decision, clicks: Sequence[Click]) -> None:
        """Apply a list that was shown, and for each click a click and a dwell."""
        events: list[Event] = [decision]
        for click in clicks:
            for kind, value in (("click", None), ("dwell", click.dwell_s)):
                events.append(
                    Feedback(
                        event_id=f"{decision.event_id}:{click.rank}:{kind}",
                        user_id=decision.user_id,
                        ts_ms=decision.ts_ms,
                        type=kind,
                        item_id=click.item_id,
                        value=value,
                        decision_id=decision.event_id,
                    )
                )
        self.engine.apply(events)


def _ts_ms(at_s: float) -> int:
    return round((_START_S + at_s) * 1000.0)
