"""Partitions that move between engines: nobody and nothing is lost, doubled or mixed up."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback, ItemUpsert
from recsys.moving.move import arrivals, move
from recsys.partition import partition_of
from recsys.settings import EngineSettings, JoinerSettings, LearnerSettings, UserModelSettings
from recsys.store.base import Outcome
from recsys.store.memory import MemoryStore
from recsys.views import UserView
from tests.tiny import SETTINGS

PARTITIONS = 3
PEOPLE = 9
SMALL = SETTINGS.model_copy(
    update={
        "learners": LearnerSettings(user_model=UserModelSettings(enabled=True, features=16)),
        "joiner": JoinerSettings(),
    }
)
"""With a River model each, sealed under its engine's key, and room and time for all lists that
wait: one that arrives may push another out, or be overdue by the clock there, and its person then
learns of it."""


def items(number: int) -> list[Event]:
    """Return the catalogue in an order of the engine's own, so that indices differ."""
    order = [(7 * n + 5 * number) % 12 for n in range(12)]
    return [
        ItemUpsert(
            event_id=f"item-{n}", ts_ms=n, item_id=f"i{n}", attributes={"genre": f"g{n % 3}"}
        )
        for n in order
    ]


class Town:
    """Two engines, who owns what, and what everybody did."""

    def __init__(self, settings: EngineSettings = SMALL) -> None:
        self.settings = settings
        self.stores = [MemoryStore(), MemoryStore()]
        self.keys = [bytes([65 + number]) * 32 for number in range(2)]
        self.engines = [self._open(number) for number in range(2)]
        for number, engine in enumerate(self.engines):
            engine.apply(items(number))
        self.owners = [partition % 2 for partition in range(PARTITIONS)]
        self.epoch = 0
        self.broken_off = set[int]()
        self.steps = 0
        self.events = dict[str, list[Event]]()
        self.shown = dict[str, tuple[str, str]]()

    def _open(self, number: int) -> Engine:
        return Engine(self.stores[number], self.settings, self.keys[number])

    def crash(self, number: int) -> None:
        self.stores[number] = self.stores[number].reopened()
        self.engines[number] = self._open(number)

    def owner(self, user_id: str) -> Engine:
        return self.engines[self.owners[partition_of(user_id, PARTITIONS)]]

    def move(self, partition: int) -> None:
        old, new = self.owners[partition], 1 - self.owners[partition]
        self.epoch += 1
        move(self.engines[old], self.engines[new], partition, PARTITIONS, self.epoch)
        self.owners[partition] = new
        self.broken_off.discard(partition)

    def break_off(self, partition: int, taken: int) -> None:
        """Begin a move that ends after some of its parts."""
        old, new = self.owners[partition], 1 - self.owners[partition]
        self.epoch += 1
        parts = self.engines[old].export(partition, PARTITIONS, self.keys[new])
        clock_ms = self.engines[new].state.counters.clock_ms
        self.broken_off.add(partition)
        for event in arrivals(parts, partition, PARTITIONS, self.epoch, clock_ms):
            if event.part >= taken:
                break
            self.engines[new].apply([event])

    def ask(self, user_id: str) -> None:
        self.steps += 1
        request = Request(
            user_id=user_id, ts_ms=1000 * self.steps, decision_id=f"d{self.steps}", n=4
        )
        decision = self.owner(user_id).recommend(request).decision
        self._take(user_id, decision)
        if decision.slots:
            self.shown[user_id] = (decision.event_id, decision.slots[-1].item_id)

    def act(self, user_id: str, kind: str, item: int) -> None:
        self.steps += 1
        decision_id, item_id = self.shown.get(user_id, (None, f"i{item}"))
        if item % 2:
            decision_id, item_id = None, f"i{item}"
        event = Feedback(
            event_id=f"f{self.steps}",
            user_id=user_id,
            ts_ms=1000 * self.steps,
            type=kind,
            item_id=item_id,
            decision_id=decision_id,
        )
        self._take(user_id, event)

    def _take(self, user_id: str, event: Event) -> None:
        [append] = self.owner(user_id).apply([event])
        assert append.outcome is Outcome.ACCEPTED
        self.events.setdefault(user_id, []).append(event)

    def views(self) -> list[UserView | None]:
        """Return what is known of everybody, but for what shards know of people at large."""
        views = [self.owner(f"u{n}").user(f"u{n}") for n in range(PEOPLE)]
        return [
            view
            and msgspec.structs.replace(
                view,
                tastes=tuple(
                    msgspec.structs.replace(taste, deviation=0.0) for taste in view.tastes
                ),
            )
            for view in views
        ]

    def check(self) -> None:
        assert [engine.stats().failed for engine in self.engines] == [0, 0]
        for number in range(PEOPLE):
            user_id = f"u{number}"
            owner = self.owner(user_id)
            other = next(engine for engine in self.engines if engine is not owner)
            events = self.events.get(user_id, [])
            view = owner.user(user_id)
            acts = sum(isinstance(event, Feedback) for event in events)
            assert (view is None) is (not events)
            assert view is None or view.events == acts
            partition = partition_of(user_id, PARTITIONS)
            move = other.state.counters.moves.get(partition)
            if move is not None and not move.came and partition not in self.broken_off:
                assert other.user(user_id) is None, "who has gone is forgotten"
            for append in owner.apply(events):
                assert append.outcome is Outcome.DUPLICATE, "wherever it was taken"


people = st.integers(0, PEOPLE - 1).map("u{}".format)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), people, st.just(0)),
        st.tuples(st.sampled_from(["click", "dislike", "purchase"]), people, st.integers(0, 13)),
        st.tuples(st.just("move"), st.just(""), st.integers(0, PARTITIONS - 1)),
        st.tuples(st.just("break off"), st.just("1"), st.integers(0, PARTITIONS - 1)),
        st.tuples(st.just("crash"), st.just(""), st.integers(0, 1)),
        st.tuples(st.just("snapshot"), st.just(""), st.integers(0, 1)),
    ),
    min_size=5,
    max_size=40,
)


def play(town: Town, script: list[tuple[str, str, int]], *, crashes: bool = True) -> None:
    for kind, who, number in script:
        match kind:
            case "ask":
                town.ask(who)
            case "move":
                before = town.views()
                town.move(number)
                assert town.views() == before, "everybody is as they were"
            case "break off":
                town.break_off(number, taken=int(who))
            case "crash":
                if crashes:
                    town.crash(number)
            case "snapshot":
                if crashes:
                    town.engines[number].snapshot()
            case _:
                town.act(who, kind, number)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_whoever_moves_takes_all_along(script: list[tuple[str, str, int]]) -> None:
    town = Town()
    play(town, script)
    town.check()


@settings(max_examples=25, deadline=None)
@given(steps)
def test_crashes_change_nothing_of_it(script: list[tuple[str, str, int]]) -> None:
    crashing, steady = Town(), Town()
    play(crashing, script)
    play(steady, script, crashes=False)
    for one, other in zip(crashing.engines, steady.engines, strict=True):
        for number in range(PEOPLE):
            one.user(f"u{number}")
            other.user(f"u{number}")
        assert one.fingerprint() == other.fingerprint()
