"""Crash anywhere, any number of times: the engine ends in the same learned bytes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback, ItemRemove, ItemUpsert, UserErase
from recsys.store.memory import MemoryStore
from tests.tiny import RANKERS

KEY = b"k" * 32
GENRES = ("crime", "drama", "comedy")


class Crash:
    """The process dies here; what was not durable is gone."""


class Snapshot:
    """The engine writes a snapshot here."""


def _items() -> list[Event]:
    return [
        ItemUpsert(
            event_id=f"item-{n}", ts_ms=n, item_id=f"i{n}", attributes={"genre": GENRES[n % 3]}
        )
        for n in range(12)
    ]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 3), st.integers(0, 2)),
        st.tuples(
            st.sampled_from(["click", "dislike", "view", "purchase"]),
            st.integers(0, 3),
            st.integers(0, 13),
        ),
        st.tuples(st.just("remove"), st.just(0), st.integers(0, 11)),
        st.tuples(st.just("erase"), st.integers(0, 3), st.just(0)),
        st.just(Crash()),
        st.just(Crash()),
        st.just(Snapshot()),
        st.just(Snapshot()),
    ),
    min_size=5,
    max_size=40,
)


class World:
    """An engine that can die and come back, driven by steps."""

    def __init__(self, *, crashes: bool, ranker: str = "listwise") -> None:
        self.settings = RANKERS[ranker]
        self.store = MemoryStore()
        self.engine = Engine(self.store, self.settings, KEY)
        self.crashes = crashes
        self.number = 0
        self.asked = dict[int, tuple[str, str]]()
        self.engine.apply(_items())

    def do(self, step: object) -> None:
        self.number += 1
        ts_ms = 1000 * self.number
        match step:
            case Crash():
                if self.crashes:
                    self.store = self.store.reopened()
                    self.engine = Engine(self.store, self.settings, KEY)
            case Snapshot():
                if self.crashes:
                    self.engine.snapshot()
                    # The steady world never takes a person's events out of its log.
                    self.engine.erasures.complete(ts_ms)
            case ("erase", int(user), _):
                receipt = f"e{self.number}"
                erase = UserErase(event_id=receipt, user_id=f"u{user}", ts_ms=ts_ms)
                self.engine.apply([erase])
            case ("ask", int(user), _):
                self._ask(f"u{user}", ts_ms, user)
            case ("remove", _, int(item)):
                event = ItemRemove(event_id=f"r{self.number}", ts_ms=ts_ms, item_id=f"i{item}")
                self.engine.apply([event])
            case (str(kind), int(user), int(item)):
                self._feedback(kind, user, item, ts_ms)

    def _ask(self, user_id: str, ts_ms: int, user: int) -> None:
        request = Request(user_id=user_id, ts_ms=ts_ms, decision_id=f"d{self.number}", n=4)
        decision = self.engine.recommend(request).decision
        if self.crashes:
            # Asking without logging what was answered is as if nobody had asked.
            other = Request(user_id=user_id, ts_ms=ts_ms, decision_id="unlogged", n=4)
            self.engine.recommend(other)
        self.engine.apply([decision])
        if decision.slots:
            self.asked[user] = (decision.event_id, decision.slots[-1].item_id)

    def _feedback(self, kind: str, user: int, item: int, ts_ms: int) -> None:
        decision_id, shown = self.asked.get(user, (None, ""))
        directed = decision_id is not None and item % 2 == 0
        event = Feedback(
            event_id=f"f{self.number}",
            user_id=f"u{user}",
            ts_ms=ts_ms,
            type=kind,
            item_id=shown if directed else f"i{item}",
            decision_id=decision_id if directed else None,
        )
        self.engine.apply([event])
        # The same event once more, as a retry after a lost ack would send it.
        self.engine.apply([event])


@settings(max_examples=40, deadline=None)
@given(steps, st.sampled_from(sorted(RANKERS)))
def test_crash_anywhere_ends_in_the_same_bytes(script: list[object], ranker: str) -> None:
    crashing, steady = (World(crashes=crashes, ranker=ranker) for crashes in (True, False))
    for step in script:
        crashing.do(step)
        steady.do(step)
    load_all(crashing.engine)
    load_all(steady.engine)
    assert crashing.engine.fingerprint() == steady.engine.fingerprint()


def load_all(engine: Engine) -> None:
    """Bring every user into memory, so that the fingerprint sees the same people."""
    for user in range(4):
        engine.user(f"u{user}")


def test_the_property_would_notice_a_forgotten_event() -> None:
    one, other = World(crashes=False), World(crashes=False)
    for step in (("ask", 1, 0), ("click", 1, 2), ("ask", 1, 0)):
        one.do(step)
        other.do(step)
    assert one.engine.fingerprint() == other.engine.fingerprint()
    other.do(("click", 1, 3))
    assert one.engine.fingerprint() != other.engine.fingerprint()


def test_recovery_without_a_snapshot_is_a_replay_of_the_log() -> None:
    world = World(crashes=True)
    for step in (("ask", 1, 0), ("click", 1, 2), ("ask", 2, 0), ("purchase", 2, 4), Crash()):
        world.do(step)
    assert world.engine.stats().sequence == world.store.last_sequence > len(_items())
    assert world.engine.stats().snapshot_sequence == 0
