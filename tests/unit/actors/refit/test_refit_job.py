"""A refit of a shard whose log grows meanwhile, and of one that refuses the result."""

from collections.abc import Iterable

import pytest
from typing_extensions import override

from actors.refit.job import EngineLog, Log, Order, run
from recsys.engine import Engine
from recsys.events import Adopt, Event
from recsys.refit.search import Plan
from recsys.store.memory import MemoryStore
from tests.engines import KEY
from tests.logs import ranked, served

SETTINGS = ranked(start={"mix": -3.0}, learning_rate=1e-6)
ORDER = Order(Plan(passes=1, rates=(1000.0,)))


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    store = MemoryStore()
    served(SETTINGS, 520, store)
    return store


class Growing(Log):
    """A log of which every look finds more, and who remembers what it is to adopt."""

    def __init__(self, store: MemoryStore, ends: Iterable[int], refusal: str | None = None) -> None:
        self._events = list(store.read(after=0))
        self._ends = iter(ends)
        self._refusal = refusal
        self.adopted = list[Adopt]()

    @override
    def after(self, sequence: int) -> Iterable[tuple[int, Event]]:
        return self._events[sequence : next(self._ends)]

    @override
    def adopt(self, event: Adopt) -> str | None:
        self.adopted.append(event)
        return self._refusal


def test_what_comes_meanwhile_is_learned_until_little_is_left(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.refit.job._FEW", 1)
    last = store.last_sequence
    ends = [last - 600, last - 400, last - 1, last - 1]
    log = Growing(store, ends)
    outcome = run(3, log, SETTINGS, ORDER)
    assert outcome.adopted, outcome.reason
    assert (outcome.shard, outcome.version, outcome.events) == (3, 1, last - 1)
    (event,) = log.adopted
    assert event.choices == outcome.choices
    assert outcome.used < outcome.choices - 50
    engine = Engine(store.reopened(), SETTINGS, KEY)
    assert EngineLog(engine).adopt(event) is None
    assert engine.stats().base.digest == event.digest
    assert engine.stats().snapshot_sequence == last + 1
    assert EngineLog(engine).adopt(event) == "/0/version: the next base version is 2, got 1"


def test_a_refusal_is_told(store: MemoryStore) -> None:
    last = store.last_sequence
    log = Growing(store, [last, last], refusal="no room")
    outcome = run(0, log, SETTINGS, ORDER)
    assert not outcome.adopted
    assert outcome.version == 0
    assert outcome.reason.endswith("; the shard refused it: no room")


def test_a_dry_run_changes_nothing(store: MemoryStore) -> None:
    log = Growing(store, [store.last_sequence])
    outcome = run(0, log, SETTINGS, Order(ORDER.plan, dry_run=True))
    assert log.adopted == []
    assert not outcome.adopted
    assert outcome.reason.endswith("; a dry run")


def test_only_the_latest_choices_are_learned_again(store: MemoryStore) -> None:
    log = Growing(store, [store.last_sequence])
    outcome = run(0, log, SETTINGS, Order(ORDER.plan, most=60, dry_run=True))
    assert outcome.used == 60 < outcome.choices
    assert outcome.error is None
    assert outcome.reason == "12 choices to judge by decide nothing, 100 would"
