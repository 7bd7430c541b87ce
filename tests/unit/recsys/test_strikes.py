"""What fails three times in a row brings the engine back to its last snapshot, and not for ever."""

import logging
import shutil
from pathlib import Path

import pytest

from recsys.engine import Engine
from recsys.errors import IncompatibleState, InvalidEvent, StoreError
from recsys.events import PartitionOut, Tombstone, UserErase
from recsys.features.counts import ItemCounts
from recsys.settings import EngineSettings
from recsys.strikes import ASKING, Strikes
from tests.engines import ask, engine_with, feedback, items
from tests.poison import POISON, breaking, choose, live

SETTINGS = EngineSettings.model_validate({"features": {"crossings": 100}})
FAULT = ValueError("no luck")


def due(engine: Engine) -> list[str]:
    return engine.strikes.due(engine.stats().sequence)


def hopeless(engine: Engine) -> list[str]:
    return engine.strikes.hopeless(engine.stats().sequence)


def broken(folder: Path) -> tuple[Engine, int]:
    """Return an engine that somebody has broken, after which others went on, and by which event."""
    engine = Engine.open(folder, SETTINGS)
    engine.apply(items(60))
    live(engine, 3)
    engine.snapshot()
    live(engine, 1, start=4)
    choose(engine, "eve", POISON, 5_000_000)
    guilty = engine.stats().sequence
    live(engine, 2, start=6)
    return engine, guilty


def test_three_in_a_row_are_out() -> None:
    strikes = Strikes()
    for sequence in (1, 2):
        strikes.failed("feedback", sequence, FAULT)
        strikes.worked("decision")
        assert strikes.due(sequence) == []
    strikes.failed("feedback", 3, FAULT)
    assert strikes.due(3) == ["feedback"]
    strikes.worked("feedback")
    assert (strikes.due(3), strikes.unsettled(0)) == ([], False)
    strikes.failed("feedback", 4, FAULT)
    assert strikes.due(4) == []


def test_a_snapshot_waits_only_for_failures_that_it_would_hold() -> None:
    strikes = Strikes()
    assert not strikes.unsettled(0)
    strikes.failed("feedback", 7, FAULT)
    assert strikes.unsettled(6)
    assert not strikes.unsettled(7)


def test_what_is_refused_on_purpose_is_no_strike() -> None:
    strikes = Strikes()
    for sequence in range(5):
        strikes.failed("adopt", sequence, IncompatibleState("two refits at a time"))
    assert (strikes.due(5), strikes.unsettled(0)) == ([], False)


def test_one_person_who_asks_again_and_again_is_one_strike() -> None:
    strikes = Strikes()
    for user_id in ("ann", "ann", "ann", "bob", "bob"):
        strikes.failed(ASKING, 9, FAULT, user_id)
    assert strikes.due(9) == []
    strikes.failed(ASKING, 9, FAULT, "cat")
    assert strikes.due(9) == [ASKING]
    strikes.failed(ASKING, 9, InvalidEvent("/arm", "is unknown"), "dan")
    assert strikes.due(9) == [ASKING]
    strikes.worked(ASKING)
    assert strikes.due(9) == []


def strike_out(strikes: Strikes, sequence: int) -> None:
    for _ in range(3):
        strikes.failed("feedback", sequence, FAULT)


def test_going_back_is_worth_it_once_until_one_of_the_kind_went_well() -> None:
    strikes = Strikes()
    strike_out(strikes, 10)
    strikes.tried(strikes.due(10), 10)
    strikes.forget()
    strike_out(strikes, 90_000)
    assert (strikes.due(90_000), strikes.hopeless(90_000)) == ([], ["feedback"])
    strikes.worked("feedback")
    assert strikes.hopeless(90_000) == []
    strike_out(strikes, 90_001)
    assert strikes.due(90_001) == ["feedback"]


def test_what_breaks_again_and_again_is_gone_back_for_ever_more_rarely() -> None:
    strikes = Strikes()
    tried = []
    for sequence in range(100_000):
        strikes.worked("feedback")
        strike_out(strikes, sequence)
        if kinds := strikes.due(sequence):
            strikes.tried(kinds, sequence)
            strikes.forget()
            tried.append(sequence)
    assert tried == [0, 1000, 3000, 7000, 15_000, 31_000, 63_000]


def test_the_guilty_event_goes_and_what_failed_with_it_is_learned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with breaking():
        engine, guilty = broken(tmp_path)
        log = list(engine.store.read(after=0))
        assert engine.stats().failed == 9  # the guilty one, and eight clicks of four people
        assert due(engine) == ["feedback"]
        with caplog.at_level(logging.ERROR, "recsys.healing"):
            assert engine.heal() == 1
        assert f"event {guilty} of kind feedback was taken out" in caplog.text
        assert (due(engine), hopeless(engine)) == ([], [])
        stats = engine.stats()
        assert (stats.failed, stats.quarantined, stats.sequence) == (0, 1, len(log))
        engine.snapshot()
        (letter,) = engine.store.dead_letters()
        assert (letter.sequence, letter.cause) == (guilty, "failed: RuntimeError: half way")
        again = list(engine.store.read(after=0))
        assert [one for one in again if one[0] != guilty] == [x for x in log if x[0] != guilty]
        assert isinstance(dict(again)[guilty], Tombstone)
        assert engine.apply([dict(log)[guilty]])[0].sequence == guilty
        mended = engine.fingerprint()
        engine.close()
    sane = Engine.open(tmp_path, SETTINGS)
    assert sane.fingerprint() == mended
    sane.close()


def test_a_log_with_failing_events_gives_the_same_bytes_and_the_same_cure(tmp_path: Path) -> None:
    with breaking():
        engine, guilty = broken(tmp_path / "one")
        before = engine.fingerprint()
        engine.close()
        shutil.copytree(tmp_path / "one", tmp_path / "other")
        engine = Engine.open(tmp_path / "one", SETTINGS)
        assert (engine.fingerprint(), due(engine)) == (before, ["feedback"])
        assert engine.heal() == 1
        mended = engine.fingerprint()
        assert mended != before
        engine.close()
        other = Engine.open(tmp_path / "other", SETTINGS)
        other.snapshot()  # as one who does not know of strikes would
        other.close()
        other = Engine.open(tmp_path / "other", SETTINGS)
        assert other.fingerprint() == before
        other.close()
        again = Engine.open(tmp_path / "one", SETTINGS)
        assert again.fingerprint() == mended
        assert isinstance(dict(again.store.read(after=0))[guilty], Tombstone)
        again.close()


def test_where_all_fail_it_is_not_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.open(None, SETTINGS)
    engine.apply(items(60))
    live(engine, 3)
    engine.snapshot()

    def fail(*_: object) -> None:
        raise ValueError("no luck")

    with monkeypatch.context() as patch:
        patch.setattr(ItemCounts, "like", fail)
        live(engine, 3, start=4)
        log, before = list(engine.store.read(after=0)), engine.fingerprint()
        with pytest.raises(StoreError, match="not the events; none was taken out"):
            engine.heal()
        assert (list(engine.store.read(after=0)), engine.fingerprint()) == (log, before)
        assert (due(engine), hopeless(engine)) == ([], ["feedback"])
        engine.apply([feedback(f"v{n}", "i7", 9_000_000 + n) for n in range(1100)])
        assert (due(engine), hopeless(engine)) == ([], ["feedback"])
    engine.apply([feedback("u1", "i7", 9_100_000)])
    assert (due(engine), hopeless(engine)) == ([], [])


def test_what_does_not_fail_again_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, steady = engine_with(items(60), SETTINGS), engine_with(items(60), SETTINGS)
    for each in (engine, steady):
        live(each, 2)

    def fail(*_: object) -> None:
        raise MemoryError

    log = [feedback(f"u{number}", "i7", 9_000_000 + number) for number in range(4)]
    with monkeypatch.context() as patch:
        patch.setattr(ItemCounts, "like", fail)
        engine.apply(log)
    steady.apply(log)
    assert due(engine) == ["feedback"]
    assert engine.heal() == 0
    assert engine.fingerprint() == steady.fingerprint()


def test_events_that_say_who_belongs_here_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.open(None, SETTINGS)
    engine.apply(items(60))
    live(engine, 2)

    def fail(*_: object) -> None:
        raise ValueError("no luck")

    monkeypatch.setattr("recsys.fold._erase", fail)
    monkeypatch.setattr("recsys.fold.depart", fail)
    for number in range(3):
        engine.apply([UserErase(event_id=f"r{number}", user_id=f"u{number}", ts_ms=9_000_000)])
    out = PartitionOut(event_id="out", ts_ms=9_000_000, partition=1, partitions=4, epoch=2)
    engine.apply([out])
    assert due(engine) == ["user_erase"]
    assert engine.heal() == 0
    stats = engine.stats()
    assert (stats.failed, stats.quarantined) == (4, 0)
    assert hopeless(engine) == ["user_erase"]


def test_lists_that_cannot_be_made_bring_it_back_to_what_the_log_says() -> None:
    engine = Engine.open(None, SETTINGS)
    engine.apply(items(60))
    live(engine, 2)
    engine.snapshot()
    live(engine, 2, start=3)
    good = engine.fingerprint()
    pool = engine.state.pool
    del engine.state.pool  # a fault of memory: nothing in the log says so
    for number in range(3):
        with pytest.raises(AttributeError):
            ask(engine, f"u{number}", f"q{number}")
    assert due(engine) == [ASKING]
    assert engine.heal() == 0
    assert engine.fingerprint() == good
    assert len(ask(engine, "u1", "q9").slots) == 10
    assert pool is not engine.state.pool
