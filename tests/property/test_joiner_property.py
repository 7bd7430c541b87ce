"""The joiner against a model that remembers everything, with a restart at any moment."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from recsys.features.base import Example
from recsys.ids import feature_hash
from recsys.joiner import Joiner, Passed, Pending, PendingSlot
from recsys.settings import JoinerSettings

WINDOW_MS = 10_000
DEFAULT = -0.25
MAX_REWARD = 3.0


@dataclass
class List:
    """All that may be known about a decision."""

    user: str
    ts_ms: int
    items: list[int]
    lacking: set[int]
    """Items that the catalogue lacked when they were shown, and that nobody acted on since."""
    earned: dict[int, float] = field(default_factory=dict)
    clicked: set[int] = field(default_factory=set)
    looked_at: set[int] = field(default_factory=set)
    """Items that a lot or an earning item below gave to be looked at, when the list closed."""
    defaulted: set[int] = field(default_factory=set)
    closed: bool = False
    gone: bool = False


class Joining(RuleBasedStateMachine):
    """Lists, feedback, time and restarts in any order.

    Every example that comes out is held against what the model says may and must come out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lists = dict[str, List]()
        self.now_ms = 0
        self.late = 0
        self.evicted = 0

    @initialize(
        pending=st.integers(1, 4),
        close_on_next=st.booleans(),
        decay=st.sampled_from([0.0, 0.6, 5.0]),
    )
    def start(self, pending: int, close_on_next: bool, decay: float) -> None:
        self.settings = JoinerSettings(
            reward_window_s=WINDOW_MS / 1000,
            default_reward=DEFAULT,
            close_on_next=close_on_next,
            examination_decay=decay,
            max_reward=MAX_REWARD,
            pending_decisions=pending,
        )
        self.joiner = Joiner(self.settings)
        self.known = set(range(6))

    def waiting(self) -> list[str]:
        return [name for name, shown in self.lists.items() if not shown.gone]

    def close(self, name: str) -> list[Example]:
        """Return what closing a list must yield, in order."""
        shown = self.lists[name]
        if shown.closed:
            return []
        shown.closed = True
        places = [place for place, item in enumerate(shown.items) if item in shown.earned]
        lowest = max(places, default=-1)
        for place, item in enumerate(shown.items):
            lot = feature_hash(f"looked-at-{place}", name) / 2**32
            if place < lowest or lot < (place + 1) ** -self.settings.examination_decay:
                shown.looked_at.add(item)
        shown.defaulted = shown.looked_at - shown.earned.keys() - shown.lacking
        return [
            self.example(name, item, DEFAULT) for item in shown.items if item in shown.defaulted
        ]

    def example(self, name: str, item: int, reward: float) -> Example:
        shown = self.lists[name]
        place = shown.items.index(item)
        return Example(
            feature_hash("user", shown.user),
            (),
            item,
            name.encode(),
            place,
            1 / (place + 2),
            reward,
        )

    def check(self, passed: list[Passed], expected: list[Example]) -> None:
        assert [example for one in passed for example in one.examples()] == expected
        assert all(one.slots for one in passed)

    @rule(user=st.sampled_from("uvw"), n=st.integers(1, 4), first=st.integers(0, 5))
    def show(self, user: str, n: int, first: int) -> None:
        name = f"d{len(self.lists)}"
        expected = list[Example]()
        mine = [other for other in self.waiting() if self.lists[other].user == user]
        if mine and self.settings.close_on_next:
            expected += self.close(mine[-1])
        items = list(range(first, first + n))
        lacking = {item for item in items if item not in self.known}
        self.lists[name] = List(user, self.now_ms, items, lacking)
        if len(self.waiting()) > self.settings.pending_decisions:
            oldest = self.waiting()[0]
            expected += self.close(oldest)
            self.lists[oldest].gone = True
            self.evicted += 1
        slots = [
            PendingSlot(
                place,
                -1 if item in lacking else item,
                1 / (place + 2),
                name.encode(),
                item_id=f"i{item}" if item in lacking else "",
            )
            for place, item in enumerate(items)
        ]
        pending = Pending(
            decision_id=name,
            user_id=user,
            arm="arm",
            ts_ms=self.now_ms,
            user=feature_hash("user", user),
            context=(),
            slots=slots,
        )
        self.check(list(self.joiner.open(pending)), expected)

    @precondition(lambda self: self.lists)
    @rule(data=st.data(), item=st.integers(0, 8), reward=st.sampled_from([1.0, -1.0, 2.5, 0.0]))
    def act(self, data: st.DataObject, item: int, reward: float) -> None:
        name = data.draw(st.sampled_from(sorted(self.lists)))
        shown = self.lists[name]
        user = data.draw(st.sampled_from([shown.user, shown.user, "somebody else"]))
        self.known.add(item)
        joined = self.joiner.feedback(user, name, item, f"i{item}", reward)
        if shown.gone or item not in shown.items or user != shown.user:
            self.late += 1
            assert joined is None
            return
        assert joined is not None
        assert joined.first == (reward > 0.0 and item not in shown.clicked)
        if reward > 0.0:
            shown.clicked.add(item)
        assert joined.discovered == (item in shown.lacking)
        shown.lacking.discard(item)
        total = shown.earned.get(item, 0.0) + reward
        shown.earned[item] = min(max(total, -MAX_REWARD), MAX_REWARD)
        assert joined.example == self.example(name, item, shown.earned[item])

    @rule(step_ms=st.sampled_from([1, 2_000, WINDOW_MS - 1, WINDOW_MS]))
    def wait(self, step_ms: int) -> None:
        self.now_ms += step_ms
        expected = list[Example]()
        for name in self.waiting():
            if self.lists[name].ts_ms + WINDOW_MS <= self.now_ms:
                expected += self.close(name)
                self.lists[name].gone = True
        self.check(list(self.joiner.expire(self.now_ms)), expected)

    @rule()
    def restart(self) -> None:
        record = self.joiner.snapshot()
        self.joiner = Joiner(self.settings)
        self.joiner.restore(record)
        assert self.joiner.snapshot() == record

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "joiner"):
            return
        assert len(self.joiner) == len(self.waiting()) <= self.settings.pending_decisions
        assert (self.joiner.late, self.joiner.evicted) == (self.late, self.evicted)

    @override
    def teardown(self) -> None:
        if not hasattr(self, "joiner"):
            return
        self.wait(WINDOW_MS)
        assert len(self.joiner) == 0
        for shown in self.lists.values():
            # Nothing is lost: what was looked at has earned something, or got the default reward.
            assert shown.closed
            assert shown.looked_at <= shown.earned.keys() | shown.defaulted | shown.lacking


TestJoining = Joining.TestCase
TestJoining.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
