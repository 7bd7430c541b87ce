"""What a world has seen and been promised, and whether the log keeps it.

Holds nothing of the shard's: what clients were told, what the log said whenever it was opened, and
an engine of its own that has never been interrupted and folds that log.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from actors.messages import ShownList
from actors.settings import ServerSettings
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Decision, Event
from recsys.store.base import Append, Outcome, Store
from recsys.store.memory import MemoryStore
from tests.shards import shown_of

__all__ = ["KEY", "Broken", "History", "Sent"]

KEY = b"k" * 32


class Broken(Exception):
    """A promise was broken."""


@dataclass(eq=False)
class Sent:
    """One attempt to have events written.

    Attributes
    ----------
    group
        The same for all attempts with the same events.
    refused
        Whether it was told that nothing happened.
    """

    group: int
    events: tuple[Event, ...]
    refused: bool = False


@dataclass(order=True)
class _Claim:
    """Something about the state after ``sequence``."""

    sequence: int
    request: Request | None = field(compare=False, default=None)
    answer: ShownList | str = field(compare=False, default="")


class History:
    """Everything that is known about one shard, from outside."""

    def __init__(self, settings: ServerSettings) -> None:
        self.log: list[Event] = []
        """As far as it was ever seen; the first is event 1."""
        self.pruned = 0
        self._oracle = Engine(MemoryStore(), settings.engine, KEY)
        self._attempts: defaultdict[str, list[Sent]] = defaultdict(list)
        self._promised: dict[int, list[tuple[Event, Outcome]]] = defaultdict(list)
        self._written: dict[int, Event] = {}
        self._answered: dict[str, tuple[Request, ShownList]] = {}
        self._excused = set[str]()
        self._claims: list[_Claim] = []
        self._positions: dict[str, int] = {}
        self._records: dict[str, dict[int, Event]] = {}

    def send(self, sent: Sent) -> None:
        """Remember an attempt, before it is made."""
        for event in sent.events:
            self._attempts[event.event_id].append(sent)

    def promise(self, events: Sequence[Event], results: Sequence[Append]) -> None:
        """Remember what a sender was told became of events."""
        if len(events) != len(results):
            raise Broken(f"{len(events)} events got {len(results)} results")
        for event, result in zip(events, results, strict=True):
            self._promised[result.sequence].append((event, result.outcome))

    def promise_position(self, source: str, position: int) -> None:
        """Remember that all records of an outside log up to a position were acknowledged."""
        self._positions[source] = max(position, self._positions.get(source, 0))

    def know_source(self, source: str, records: Sequence[Event]) -> None:
        """Remember what an outside log holds."""
        self._records[source] = dict(enumerate(records))

    def wrote(self, events: Sequence[Event], appends: Sequence[Append]) -> None:
        """Remember what the store said it wrote, since retention may take it before it is seen."""
        for event, append in zip(events, appends, strict=True):
            if append.outcome is Outcome.ACCEPTED:
                self._written[append.sequence] = event

    def answered(self, request: Request, made: ShownList) -> None:
        """Remember a list that somebody was shown."""
        items = [item.item_id for item in made.items]
        if made.decision_id != request.decision_id:
            raise Broken(f"asked {request}, answered {made}")
        if len(items) > request.n or len(set(items)) < len(items):
            raise Broken(f"asked for {request.n}, answered {items}")
        if not all(0.0 < item.propensity <= 1.0 for item in made.items):
            raise Broken(f"propensities of {made}")
        self._answered[made.decision_id] = request, made
        if made.decision_id not in self._excused:
            self._claims.append(_Claim(made.model_sequence, request, made))

    def excuse(self, decision_id: str) -> None:
        """Remember that an engine answers which could not read whom it had to teach."""
        self._excused.add(decision_id)

    def looked_up(self, decision_id: str, found: Decision | None) -> None:
        """Hold what was found of a decision against what was answered."""
        if found is not None and not self._is(found):
            raise Broken(f"{decision_id} was {self._answered[decision_id]}, is found as {found}")

    def _is(self, decision: Decision) -> bool:
        """Return whether a decision is what was answered."""
        request, made = self._answered[decision.event_id]
        return decision.user_id == request.user_id and shown_of(decision) == made

    def read(self, sequence: int, event: Event) -> None:
        """Remember what somebody was told of the log."""
        self._promised[sequence].append((event, Outcome.ACCEPTED))

    def learned(self, sequence: int, fingerprint: str) -> None:
        """Remember what the shard had learned after an event."""
        self._claims.append(_Claim(sequence, None, fingerprint))

    def tally(self) -> Counter[str]:
        """Return how much happened, by kind."""
        outcomes = Counter(
            outcome.value for promises in self._promised.values() for _, outcome in promises
        )
        return outcomes + Counter(
            logged=len(self.log),
            pruned=self.pruned,
            answered=len(self._answered),
            records=sum(self._positions.values()),
        )

    def check(self, store: Store, engine: Engine) -> None:
        """Hold a shard that was just opened against everything that is known.

        Raises
        ------
        Broken
            At the first thing that is not as it was promised.
        """
        self._extend(store)
        self._check_ids()
        self._check_promises()
        self._check_groups()
        self._check_positions(store.positions())
        if engine.stats().sequence != len(self.log):
            raise Broken(f"{engine.stats().sequence} events learned, the log has {len(self.log)}")
        self.learned(len(self.log), engine.fingerprint())
        self._check_claims()
        if failed := engine.stats().failed:
            raise Broken(f"{failed} events could not be learned")

    def _extend(self, store: Store) -> None:
        found = dict(store.read(after=0))
        last = store.last_sequence
        if last < len(self.log):
            raise Broken(f"the log ends at {last}, it had {len(self.log)} events before")
        first = min(found, default=last + 1)
        if list(found) != list(range(first, last + 1)):
            raise Broken(f"a log of {first} to {last} holds {list(found)}")
        self.pruned = first - 1
        for sequence in range(1, last + 1):
            event = found.get(sequence) or self._written.get(sequence)
            if sequence <= len(self.log):
                if event is not None and event != self.log[sequence - 1]:
                    raise Broken(f"event {sequence} was {self.log[sequence - 1]}, is {event}")
            elif event is None:
                raise Broken(f"event {sequence} left the log and was never written")
            else:
                self.log.append(event)

    def _check_ids(self) -> None:
        places = dict[str, int]()
        for sequence, event in enumerate(self.log, 1):
            earlier = places.get(event.event_id, 0)
            if earlier > self.pruned:
                raise Broken(f"{event.event_id} is in the log at {earlier} and {sequence}")
            places[event.event_id] = sequence
            if isinstance(event, Decision):
                if event.event_id in self._answered and not self._is(event):
                    answered = self._answered[event.event_id]
                    raise Broken(f"answered was {answered}, logged {event}")
            elif not any(
                not sent.refused and event in sent.events for sent in self._attempts[event.event_id]
            ):
                raise Broken(f"{event} was refused, or never sent, and is in the log")

    def _check_promises(self) -> None:
        for sequence, promises in self._promised.items():
            for event, outcome in promises:
                if sequence > len(self.log):
                    raise Broken(f"{outcome} at {sequence} was acknowledged and lost: {event}")
                logged = self.log[sequence - 1]
                same = _timeless(logged) == _timeless(event)
                if logged.event_id != event.event_id or same is (outcome is Outcome.CONFLICT):
                    raise Broken(f"{event} was {outcome} at {sequence}, where {logged} is")

    def _check_groups(self) -> None:
        """Events that came together are written together, in their order, or not at all."""
        if self.pruned:
            return  # of a group that came again a part may have been forgotten
        places = {event.event_id: place for place, event in enumerate(self.log)}
        seen = set[int]()
        for attempts in self._attempts.values():
            sent = attempts[0]
            ids = [event.event_id for event in sent.events]
            if sent.group in seen or len(set(ids)) < len(ids):
                continue
            seen.add(sent.group)
            if any(one.group != sent.group for name in ids for one in self._attempts[name]):
                continue
            there = [places[name] for name in ids if name in places]
            whole = all(after == before + 1 for before, after in pairwise(there))
            if there and (len(there) < len(ids) or not whole):
                raise Broken(f"of the group {ids} the log has {there}")

    def _check_positions(self, positions: Mapping[str, int]) -> None:
        logged = {event.event_id for event in self.log}
        for source, promised in self._positions.items():
            if positions.get(source, 0) < promised:
                raise Broken(f"{source} stood at {promised}, is found at {positions}")
        for source, position in positions.items():
            for offset in range(position):
                if self._records[source][offset].event_id not in logged:
                    raise Broken(f"{source} stands at {position}, record {offset} is not there")

    def _check_claims(self) -> None:
        """Hold answers and fingerprints against an engine that was never interrupted."""
        logged = {event.event_id: event for event in self.log if isinstance(event, Decision)}
        for claim in sorted(self._claims):
            if claim.sequence > len(self.log):
                raise Broken(f"{claim} follows from events that the log does not have")
            self._fold_to(claim.sequence)
            if claim.request is None:
                truth: ShownList | str = self._oracle.fingerprint()
            else:
                decision = self._oracle.recommend(claim.request).decision
                truth = shown_of(decision)
                # With the features and whatever else is not shown.
                if logged.get(decision.event_id, decision) != decision:
                    raise Broken(f"logged was {logged[decision.event_id]}, should be {decision}")
            if truth != claim.answer:
                raise Broken(f"after event {claim.sequence}: {claim.answer}, should be {truth}")
        self._claims.clear()

    def _fold_to(self, sequence: int) -> None:
        for place in range(self._oracle.stats().sequence, sequence):
            self._oracle.fold([self.log[place]], [Append(Outcome.ACCEPTED, place + 1)])


def _timeless(event: Event) -> msgspec.Struct:
    return msgspec.structs.replace(event, ts_ms=0)
