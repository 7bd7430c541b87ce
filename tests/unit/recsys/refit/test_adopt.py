"""Adopting a base: an event like any other, so that the log alone determines the state."""

from itertools import islice

import msgspec
import numpy as np
import pytest

from recsys.arrays import Packed, pack_array
from recsys.codec import pack, unpack
from recsys.engine import Engine
from recsys.errors import CorruptRecord, IncompatibleState, InvalidEvent
from recsys.events import MAX_RECORD_BYTES, Adopt, digest_of, validate
from recsys.features.base import Choice, narrow
from recsys.learners.listwise import ListwiseRanker
from recsys.refit.lessons import LogReader
from recsys.refit.search import Refit
from recsys.settings import EngineSettings, LearnerSettings, ListwiseSettings
from recsys.store.memory import MemoryStore
from simulators.worlds import World
from tests.engines import KEY, engine_with, feedback
from tests.logs import FIRST_MS, SMALL, based, ranked, served, visit

SETTINGS = ranked(start={"mix": -3.0}, learning_rate=1e-6)
LATER_MS = FIRST_MS + 10**9


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """Return what an engine left behind that learned from a hundred visits."""
    store = MemoryStore()
    served(SETTINGS, 100, store)
    return store


@pytest.fixture(scope="module")
def found(store: MemoryStore) -> Refit:
    reader = LogReader(SETTINGS)
    reader.read(store.read(after=0))
    return based(reader)


def opened(store: MemoryStore) -> Engine:
    return Engine(store.reopened(), SETTINGS, KEY)


def go_on(engine: Engine, name: str) -> None:
    world = World(SMALL)
    for number, (_, seat) in enumerate(islice(world.arrivals(), 10)):
        visit(engine, world, seat, f"{name}{number}", LATER_MS + 10**6 * number)


def renamed(event: Adopt, **changes: object) -> Adopt:
    changed = msgspec.structs.replace(event, **changes)
    return msgspec.structs.replace(changed, digest=digest_of(changed.record))


def test_the_learner_goes_on_from_the_record(store: MemoryStore, found: Refit) -> None:
    engine = opened(store)
    scale = engine.state.learner
    assert isinstance(scale, ListwiseRanker)
    before = scale.scale
    engine.apply([found.event()])
    base = engine.stats().base
    assert (base.version, base.sequence) == (1, engine.stats().sequence)
    assert base.digest == digest_of(found.record)
    assert (base.loss, base.baseline) == (found.verdict.loss, found.verdict.baseline)
    assert base.ts_ms == engine.state.counters.clock_ms
    assert engine.stats().failed == 0
    assert scale.scale == before
    adopted = ListwiseRanker(
        SETTINGS.learners.listwise,
        engine.state.features.columns,
        engine.state.features.shared_columns,
        seed=9,
    )
    adopted.adopt(found.record)
    choice = next(iter(engine.state.choices.latest(1)))
    assert scale.loss(choice) == adopted.loss(choice)


def test_crash_anywhere_around_it_ends_in_the_same_bytes(store: MemoryStore, found: Refit) -> None:
    steady = opened(store)
    steady.apply([found.event()])
    go_on(steady, "after")
    for snapshots in (False, True):
        durable = store.reopened()
        engine = Engine(durable, SETTINGS, KEY)
        if snapshots:
            engine.snapshot()
        engine.apply([found.event()])
        for name in ("crash", "crash", "after"):
            if name == "after":
                go_on(engine, name)
            if snapshots:
                engine.snapshot()
            durable = durable.reopened()
            engine = Engine(durable, SETTINGS, KEY)
        assert engine.fingerprint() == steady.fingerprint()
        assert engine.stats().base == steady.stats().base
    without = opened(store)
    go_on(without, "after")
    assert without.state.learner.fingerprint() != steady.state.learner.fingerprint()


def test_what_was_learned_meanwhile_is_taught_again(store: MemoryStore, found: Refit) -> None:
    prompt, late = opened(store), opened(store)
    prompt.apply([found.event()])
    go_on(late, "meanwhile")
    missed = late.state.counters.choices - found.choices
    assert missed > 5
    choices = late.state.choices.latest(missed)
    assert len(choices) == missed
    late.apply([found.event()])
    for choice in choices:
        prompt.state.learner.choose(choice, ())
    assert isinstance(late.state.learner, ListwiseRanker)
    assert isinstance(prompt.state.learner, ListwiseRanker)
    assert late.state.learner.loss(choices[0]) == prompt.state.learner.loss(choices[0])


def test_a_log_with_an_adoption_is_read_again(store: MemoryStore, found: Refit) -> None:
    engine = opened(store)
    go_on(engine, "meanwhile")
    engine.apply([found.event()])
    go_on(engine, "after")
    reader = LogReader(SETTINGS)
    reader.read(engine.store.read(after=0))
    assert reader.live() == engine.state.learner.snapshot()
    assert (reader.version, reader.choices) == (1, len(reader.lessons))
    assert 0 < reader.since_adoption < reader.choices
    second = based(reader)
    assert second.version == 2
    engine.apply([second.event()])
    assert engine.stats().base.version == 2


def test_the_same_base_is_adopted_once(store: MemoryStore, found: Refit) -> None:
    engine = opened(store)
    engine.apply([found.event()])
    with pytest.raises(InvalidEvent) as caught:
        engine.apply([found.event()])
    assert str(caught.value) == "/0/version: the next base version is 2, got 1"


def test_two_refits_at_a_time_do_not_follow_each_other(store: MemoryStore, found: Refit) -> None:
    engine = opened(store)
    second = renamed(found.event(), event_id="other", loss=1.0)
    # Both pass the check at the door; the first of them in the log counts.
    engine.apply([found.event(), second])
    assert engine.stats().base.loss == found.verdict.loss
    assert engine.stats().failed == 1


@pytest.mark.parametrize(
    "damage", ["columns", "hidden", "not_finite", "variance", "bytes", "array"]
)
def test_a_base_that_does_not_fit_changes_nothing(
    store: MemoryStore, found: Refit, damage: str
) -> None:
    engine = opened(store)
    before = engine.state.learner.fingerprint()
    record = damaged(found.record, damage, engine)
    with pytest.raises((IncompatibleState, CorruptRecord)):
        engine.state.learner.adopt(record)
    assert engine.state.learner.fingerprint() == before
    engine.apply([renamed(found.event(), record=record)])
    assert engine.state.learner.fingerprint() == before
    assert (engine.stats().failed, engine.stats().base.version) == (1, 0)
    # The engine goes on, and the next one may come.
    engine.apply([renamed(found.event(), event_id="sound")])
    assert (engine.stats().failed, engine.stats().base.version) == (1, 1)


def damaged(record: bytes, damage: str, engine: Engine) -> bytes:
    features = engine.state.features
    if damage in {"columns", "hidden"}:
        columns = features.columns[:-1] if damage == "columns" else features.columns
        settings = ListwiseSettings(hidden=4 if damage == "columns" else 5, start={})
        return ListwiseRanker(settings, columns, features.shared_columns, 1).snapshot()
    if damage == "bytes":
        return record[:-1]
    state = unpack(record, dict[str, object])
    ones = np.ones(len(features.columns) + len(features.shared_columns), np.float32)
    if damage == "variance":
        state["variance"] = pack_array(-ones)
    elif damage == "not_finite":
        array = ones * np.float32(np.nan)
        state["mean"] = Packed(array.dtype.str, array.shape, array.tobytes())
    else:
        state["mean"] = ["nonsense", [1], b"abc"]
    return pack(state)


def test_a_ranker_that_cannot_be_refit_says_so() -> None:
    engine = engine_with(settings=EngineSettings(learners=LearnerSettings(ranker="vw")))
    with pytest.raises(IncompatibleState, match="VWBandit cannot be refit"):
        engine.state.learner.adopt(b"")


EVENT = Adopt(
    event_id="a", ts_ms=0, version=1, choices=0, record=b"r", digest=digest_of(b"r"),
    loss=1.0, baseline=2.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"version": 0}, "/version", "must lie in 1..2^63 - 1, got 0"),
        ({"choices": -1}, "/choices", "must lie in 0..2^63 - 1, got -1"),
        ({"digest": "0" * 32}, "/digest", "is not that of the record"),
        ({"loss": float("nan")}, "/loss", "a number must be finite"),
        ({"baseline": 2e6}, "/baseline", "a number lies within ±1e+06, got 2e+06"),
        (
            {"record": bytes(MAX_RECORD_BYTES + 1)},
            "/record",
            f"at most {MAX_RECORD_BYTES} bytes, got {MAX_RECORD_BYTES + 1}",
        ),
    ],
)
def test_its_limits(changes: dict[str, object], pointer: str, detail: str) -> None:
    validate(EVENT)
    with pytest.raises(InvalidEvent) as caught:
        validate(msgspec.structs.replace(EVENT, **changes))
    assert (caught.value.pointer, caught.value.detail) == (pointer, detail)


def test_the_latest_lessons_come_oldest_first() -> None:
    engine = engine_with([feedback("u", "i0", 1)])
    choices = [Choice(user, narrow(np.zeros(1, np.float32)), b"", 1, 0) for user in range(5)]
    for choice in choices:
        engine.state.choices.add(choice)
    assert engine.state.choices.latest(2) == choices[3:]
    assert engine.state.choices.latest(0) == []
    assert engine.state.choices.latest(9) == choices
