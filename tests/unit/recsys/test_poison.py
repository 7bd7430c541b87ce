"""A model that is not finite is never stored or served, and the event that made it so is found."""

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from recsys.arrays import pack_array
from recsys.decision import Recommendation
from recsys.engine import Engine
from recsys.errors import NonFinite, StoreError
from recsys.events import Event, Feedback, Tombstone, UserErase
from recsys.features.base import Example
from recsys.fold import fold
from recsys.learners.listwise import ListwiseRanker
from recsys.learners.personal_bandit import PersonalBandit
from recsys.learners.vw_bandit import VWBandit
from recsys.moving.export import Part
from recsys.moving.luggage import Luggage, seal_luggage
from recsys.moving.move import arrival, departure
from recsys.settings import ArmSettings, EngineSettings, LearnerSettings
from recsys.state import State
from recsys.tastes import MEAN
from recsys.users import User
from tests.engines import items, request
from tests.poison import POISON, choose, faulty, live

SETTINGS = EngineSettings.model_validate({"features": {"crossings": 100}})
VW = SETTINGS.model_copy(update={"learners": LearnerSettings(ranker="vw")})


def poison_of(log: Sequence[tuple[int, Event]]) -> list[int]:
    return [
        sequence
        for sequence, event in log
        if isinstance(event, Feedback) and event.item_id == POISON
    ]


def test_the_event_is_found_and_the_rest_is_learned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with faulty():
        engine = Engine.open(tmp_path, SETTINGS)
        engine.apply(items(60))
        live(engine, 5)
        engine.snapshot()
        good = engine.stats().snapshot_sequence
        live(engine, 40, start=6, poison_at=11)
        log = list(engine.store.read(after=0))
        (guilty,) = poison_of(log)
        with pytest.raises(NonFinite, match="not finite"):
            engine.snapshot()
        assert engine.store.snapshot_sequence == good
        with caplog.at_level(logging.ERROR):
            assert engine.heal() == 1
        assert f"event {guilty} of kind feedback made the model not finite" in caplog.text
        assert [len(list(engine.store.read(after=0))), engine.stats().sequence] == [len(log)] * 2
        assert engine.stats().quarantined == 1
        (letter,) = engine.store.dead_letters()
        assert (letter.sequence, letter.kind) == (guilty, "feedback")
        assert "made the model not finite: an array of shape" in letter.cause
        engine.snapshot()
        mended = engine.fingerprint()
        engine.close()
        again = Engine.open(tmp_path, SETTINGS)
        assert again.fingerprint() == mended
        stones = [e.cause for _, e in again.store.read(after=0) if isinstance(e, Tombstone)]
        assert stones == ["poison"]
        repeat = dict(log)[guilty]
        assert again.apply([repeat])[0].sequence == guilty
        again.close()


def test_a_crash_before_the_snapshot_ends_in_the_same_bytes(tmp_path: Path) -> None:
    with faulty():
        engine = Engine.open(tmp_path, SETTINGS)
        engine.apply(items(60))
        live(engine, 8, poison_at=4)
        with pytest.raises(NonFinite):
            engine.capture()
        engine.close()
        engine = Engine.open(tmp_path, SETTINGS)
        with pytest.raises(NonFinite):
            engine.capture()
        assert engine.heal() == 1
        mended = engine.fingerprint()
        engine.close()
        again = Engine.open(tmp_path, SETTINGS)
        assert again.fingerprint() == mended
        again.close()


def test_several_events_are_taken_out(tmp_path: Path) -> None:
    with faulty(items_too=(13, 14)):
        engine = Engine.open(tmp_path, SETTINGS)
        engine.apply(items(60))
        live(engine, 3)
        for number, poison in enumerate((13, 14, 13)):
            choose(engine, "eve", f"i{poison}", 10_000_000 * (number + 1))
            live(engine, 2, start=10 * (number + 1) + 1)
        log = dict(engine.store.read(after=0))
        assert engine.heal() == 3
        engine.snapshot()
        bad = [log[letter.sequence] for letter in engine.store.dead_letters()]
        assert [e.item_id for e in bad if isinstance(e, Feedback)] == ["i13", "i14", "i13"]
        engine.close()


def test_it_gives_up_where_every_event_is_poison(tmp_path: Path) -> None:
    with faulty(items_too=range(20)):
        engine = Engine.open(tmp_path, SETTINGS)
        engine.apply(items(60))
        live(engine, 12)
        with pytest.raises(StoreError, match="8 events were taken out and the model is still not"):
            engine.heal()
        engine.close()


@pytest.mark.parametrize(
    "event",
    [
        UserErase(event_id="receipt", user_id="u1", ts_ms=99_000_000),
        arrival(Part(seal_luggage(Luggage()), ()), 0, 4, 1, 0, ts_ms=99_000_000, last=True),
        departure(0, 4, 1, 99_000_000),
    ],
    ids=lambda event: type(event).__name__,
)
def test_who_belongs_here_is_never_taken_out(event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.open(None, SETTINGS)
    engine.apply(items(60))
    live(engine, 3)
    engine.snapshot()

    def mad(state: State, sequence: int, given: Event) -> None:
        fold(state, sequence, given)
        if given == event:
            state.learner._weights[:] = np.nan  # type: ignore[attr-defined] # noqa: SLF001

    monkeypatch.setattr("recsys.healing.fold", mad)
    engine.apply([event])
    with pytest.raises(StoreError, match="which says who belongs here and must stay"):
        engine.heal()
    assert engine.store.dead_letters() == []


def test_what_is_not_finite_is_not_served() -> None:
    arms = {name: ArmSettings(share=0.5, ranker=name) for name in ("learner", "mix")}
    engine = Engine.open(None, SETTINGS.model_copy(update={"arms": arms}))
    engine.apply(items(60))
    live(engine, 4)
    ranker = engine.state.learner
    assert isinstance(ranker, ListwiseRanker)
    before = answer(engine, "learner")
    assert (before.degraded, before.decision.policy) == (False, "learner")
    ranker._weights[:] = np.inf  # noqa: SLF001 - a fault from within
    assert answer(engine, "mix").degraded is False
    degraded = answer(engine, "learner")
    assert (degraded.degraded, degraded.decision.policy) == (True, "degraded")
    assert len(degraded.decision.slots) == 5
    numbers = [n for slot in degraded.decision.slots for n in (slot.score, slot.propensity)]
    assert np.isfinite(numbers).all()
    engine.apply([degraded.decision])
    assert engine.stats().arms["degraded"].decisions == 1


def answer(engine: Engine, arm: str) -> Recommendation:
    return engine.recommend(msgspec.structs.replace(request("u1", "d", 90_000_000, n=5), arm=arm))


def test_a_person_of_whom_something_is_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    learn = PersonalBandit.learn_list

    def mad(
        self: PersonalBandit,
        user: User,
        items: Sequence[int],
        rewards: Sequence[float],
        *,
        shown: bool,
    ) -> None:
        learn(self, user, items, rewards, shown=shown)
        if 13 in items and max(rewards) > 1.0:
            user.tastes.table[MEAN, 0] = np.nan

    monkeypatch.setattr(PersonalBandit, "learn_list", mad)
    engine = Engine.open(None, SETTINGS)
    engine.apply(items(60))
    live(engine, 6, poison_at=4)
    with pytest.raises(NonFinite, match="of a person is not finite"):
        engine.snapshot()
    assert engine.heal() == 1
    engine.snapshot()


def test_vowpal_wabbit_that_answers_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.open(None, VW)
    engine.apply(items(60))
    live(engine, 2)
    engine.snapshot()
    learn = VWBandit.learn

    def mad(self: VWBandit, example: Example) -> None:
        learn(self, example)
        if example.item == 7 and example.reward > 1.0:
            text = self._encoder.example(example, -1.0, 0.5)
            self._vw.learn(text.replace(b"0:-1.000000:", b"0:inf:"))

    monkeypatch.setattr(VWBandit, "learn", mad)
    choose(engine, "u1", "i7", 50_000_000)
    sequence = engine.stats().sequence
    live(engine, 1, start=60)
    with pytest.raises(NonFinite, match="the learner's answers"):
        engine.snapshot()
    assert engine.heal() == 1
    engine.snapshot()
    assert [letter.sequence for letter in engine.store.dead_letters()] == [sequence]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_arrays_that_are_not_finite_are_not_packed(value: float) -> None:
    array = np.zeros((3, 2), np.float32)
    pack_array(array)
    array[1, 1] = value
    with pytest.raises(NonFinite, match=r"an array of shape \(3, 2\)"):
        pack_array(array)
