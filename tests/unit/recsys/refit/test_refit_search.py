"""What a refit finds: a bad learner is beaten, a good one stays, and the same log says the same."""

import math

import msgspec
import pytest

from recsys.engine import Engine
from recsys.errors import IncompatibleState
from recsys.refit.judge import LEAST_CHOICES
from recsys.refit.lessons import LogReader
from recsys.refit.search import Plan, Refit, catch_up, refit, steps
from recsys.settings import EngineSettings, LearnerSettings, ListwiseSettings
from tests.logs import based, ranked, served

BAD = ranked(start={"mix": -3.0}, learning_rate=1e-6)
"""Starts at the mix upside down, and hardly learns."""
GOOD = ranked(learning_rate=5e-4)
PLAN = Plan(passes=2, rates=(1.0, 1000.0), absolute=())


def read(engine: Engine, most: int = 10_000) -> LogReader:
    reader = LogReader(engine.settings, most)
    reader.read(engine.store.read(after=0))
    return reader


@pytest.fixture(scope="module")
def bad() -> Engine:
    return served(BAD, 420)


@pytest.fixture(scope="module")
def better(bad: Engine) -> Refit:
    return refit(read(bad), PLAN)


def test_a_log_that_is_read_again_teaches_what_it_taught(bad: Engine) -> None:
    reader = read(bad)
    assert reader.live() == bad.state.learner.snapshot()
    assert reader.sequence == bad.stats().sequence
    assert reader.choices == len(reader.lessons) == bad.state.counters.choices > 300
    assert reader.dropped == 0


def test_people_who_leave_memory_on_the_way_change_nothing(
    bad: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recsys.refit.lessons._SPILL_EVENTS", 50)
    few = bad.settings.model_copy(
        update={"users": bad.settings.users.model_copy(update={"in_memory": 3})}
    )
    reader = LogReader(few)
    reader.read(bad.store.read(after=0))
    assert reader.live() == bad.state.learner.snapshot()


def test_the_latest_choices_stay(bad: Engine) -> None:
    everything, some = read(bad), read(bad, 100)
    assert list(some.lessons) == list(everything.lessons)[-100:]
    assert some.dropped == everything.choices - 100


def test_a_log_without_its_start_is_refused(bad: Engine) -> None:
    with pytest.raises(IncompatibleState) as caught:
        LogReader(BAD).read(bad.store.read(after=7))
    assert str(caught.value) == (
        "event 1 is no longer in the log, which goes on at 8: a refit needs the whole log "
        "(engine.store.log_events)"
    )


def test_a_ranker_that_does_not_learn_from_choices_is_refused() -> None:
    with pytest.raises(IncompatibleState, match=r"learners\.ranker is 'vw': only the listwise"):
        LogReader(EngineSettings(learners=LearnerSettings(ranker="vw")))


def test_a_learner_that_started_badly_is_beaten(better: Refit) -> None:
    assert better.adopted
    assert better.verdict.gain > 0.5
    assert better.verdict.loss == pytest.approx(better.verdict.baseline - better.verdict.gain)
    assert better.verdict.choices == pytest.approx(better.used / 5, abs=1)
    assert better.chosen is not None
    assert better.chosen.learning_rate == pytest.approx(1e-3)
    assert min(better.tried, key=lambda one: one.loss).trial == better.chosen
    assert len(better.tried) == 4


def test_a_good_learner_is_not_replaced() -> None:
    engine = served(GOOD, 350)
    found = refit(read(engine), Plan(passes=1, rates=(1.0,)))
    assert found.record
    assert not found.adopted
    assert " not above 2 x " in found.verdict.reason


def test_the_same_log_gives_the_same_bytes(bad: Engine, better: Refit) -> None:
    again = refit(read(bad), PLAN)
    assert again == better
    assert again.event() == better.event()


def test_progress_ends_where_it_said(bad: Engine) -> None:
    told = list[tuple[int, int]]()
    reader = read(bad)
    plan = Plan(passes=1, rates=(1.0,))
    refit(reader, plan, lambda done, total: told.append((done, total)))
    n = len(reader.lessons)
    total = steps(n, int(0.8 * n), plan.trials(1e-6))
    assert told == [(done, total) for done in range(1, total + 1)]


def test_the_usual_rate_is_tried_once_beside_the_live_one() -> None:
    usual = ListwiseSettings().learning_rate
    far = [trial.learning_rate for trial in Plan().trials(1e-6)]
    assert far == [1e-6, 4e-6, usual]
    assert [trial.learning_rate for trial in Plan().trials(usual)] == [usual, 4 * usual]


def test_too_few_choices_decide_nothing() -> None:
    engine = served(BAD, 5)
    few = read(engine)
    assert 0 < few.choices < 100
    found = refit(few, PLAN)
    assert not found.adopted
    assert (
        found.verdict.reason
        == f"{found.verdict.choices} choices to judge by decide nothing, 100 would"
    )
    nothing = refit(LogReader(BAD), PLAN)
    assert (nothing.adopted, nothing.record, nothing.choices) == (False, b"", 0)


def test_a_base_is_judged_by_what_it_has_predicted_itself(bad: Engine, better: Refit) -> None:
    log = [*bad.store.read(after=0)]
    reader = LogReader(BAD)
    reader.read([*log, (len(log) + 1, better.event())])
    assert (reader.version, reader.since_adoption) == (1, 0)
    again = refit(reader, PLAN)
    assert (again.adopted, again.record) == (False, b"")
    assert again.verdict.reason == "0 choices to judge by decide nothing, 100 would"


def test_what_the_learner_before_a_base_predicted_does_not_count(bad: Engine) -> None:
    log = list(bad.store.read(after=0))
    total = bad.state.counters.choices
    reader = LogReader(BAD)
    place = 0
    while reader.choices < total - LEAST_CHOICES - 5:
        reader.read([log[place]])
        place += 1
    reader.read([(place + 1, based(reader).event())])
    reader.read((sequence + 1, event) for sequence, event in log[place:])
    found = refit(reader, Plan(passes=1, rates=(1.0,)))
    assert found.verdict.choices == reader.since_adoption < total / 5
    late = [lesson.loss for lesson in reader.lessons][-reader.since_adoption :]
    assert found.verdict.baseline == pytest.approx(sum(late) / len(late))
    assert len(reader.lessons) == total


def test_what_came_meanwhile_is_learned_before_it_is_published(bad: Engine) -> None:
    reader = LogReader(BAD)
    log = list(bad.store.read(after=0))
    reader.read(log[:1000])
    found = based(reader)
    assert catch_up(found, reader) == found
    reader.read(log[1000:])
    caught = catch_up(found, reader)
    assert caught.choices == bad.state.counters.choices > found.choices
    assert caught.record != found.record
    assert caught.clock_ms == bad.state.counters.clock_ms
    assert (
        msgspec.structs.replace(
            caught, record=found.record, choices=found.choices, clock_ms=found.clock_ms
        )
        == found
    )


def test_a_trial_that_learns_too_fast_is_worse_than_any_other(
    bad: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    found = refit(read(bad), Plan(passes=2, rates=(1.0,), absolute=(1e38,)))
    assert [math.isfinite(tried.loss) for tried in found.tried] == [True, True, False]
    assert found.chosen is not None
    assert found.chosen.learning_rate == 1e-6
    assert "came to nothing: an array of shape" in caplog.text
