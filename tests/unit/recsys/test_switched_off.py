"""Sources, families of features and the personal bandit, one at a time switched off."""

from typing import get_args

import pytest

from recsys.candidates.transitions import Transitions
from recsys.engine import Engine
from recsys.errors import InvalidSettings
from recsys.features.base import widen
from recsys.features.columns import Family
from recsys.refit.lessons import LogReader
from recsys.refit.trainer import Trainer
from recsys.settings import EngineSettings, SourceName
from tests.engines import asked, engine_with, feedback, items, request

WHOLE = Engine.open(None, EngineSettings.model_validate({"candidates": {"without": []}}))
PERSONAL = ("taste", "taste_deviation", "taste_lift")


def settings_of(document: object) -> EngineSettings:
    return EngineSettings.model_validate(document)


def live(settings: EngineSettings) -> Engine:
    """Return an engine with which six people have lived a while."""
    engine = engine_with(items(30), settings)
    for number in range(24):
        user, ts_ms = f"u{number % 6}", 100_000 + 60_000 * number
        decision = asked(engine, user, f"d{number}", ts_ms, n=5)
        engine.apply(
            [
                feedback(
                    user, decision.slots[number % 5].item_id, ts_ms + 1, decision_id=f"d{number}"
                ),
                feedback(user, f"i{number * 7 % 30}", ts_ms + 2),
            ]
        )
    return engine


def one_off(part: str) -> EngineSettings:
    section, _, name = part.partition(".")
    return settings_of({section: {"without": [name]}})


PARTS = [
    *(f"candidates.{name}" for name in get_args(SourceName)),
    *(f"features.{name}" for name in get_args(Family)),
]


@pytest.mark.parametrize("ranker", ["listwise", "vw", "ftrl"])
@pytest.mark.parametrize("part", PARTS)
def test_what_is_left_serves_and_learns(part: str, ranker: str) -> None:
    off = one_off(part)
    learners = off.learners.model_copy(update={"ranker": ranker})
    engine = live(off.model_copy(update={"learners": learners}))
    stats = engine.stats()
    assert (stats.failed, stats.examples > 20) == (0, True)
    decision = engine.recommend(request("u1", "again", 9_000_000)).decision
    assert len(decision.slots) == 10
    assert all(len(widen(slot.features)) == len(engine.state.columns) for slot in decision.slots)
    assert len(widen(decision.features)) == len(engine.state.features.shared_columns)
    if ranker == "listwise":
        assert engine.state.counters.choices > 20


@pytest.mark.parametrize("name", get_args(SourceName))
def test_a_source_that_is_off_has_no_columns(name: str) -> None:
    state = Engine.open(None, one_off(f"candidates.{name}")).state
    assert len(state.sources) == len(WHOLE.state.sources) - 1
    gone = set(WHOLE.state.pool.columns) - set(state.pool.columns)
    assert gone
    assert all(column.startswith(name) for column in gone)
    assert [one for one in state.columns if one.startswith(tuple(gone))] == []
    assert (state.source(Transitions) is None) is (name == "transitions")


def test_families_are_all_features_but_the_mix_and_the_personal_models() -> None:
    state = Engine.open(None).state
    gone = {
        family: set(Engine.open(None, one_off(f"features.{family}")).state.features.left_out)
        for family in get_args(Family)
    }
    everything = [*state.columns, *state.features.shared_columns]
    always = {"mix", "user_model", *PERSONAL}
    assert sorted([*always, *(name for names in gone.values() for name in names)]) == sorted(
        everything
    )
    assert gone["request"] == set(state.features.shared_columns)
    assert gone["context"] == {"context_lift"}
    assert gone["windows"] == {
        name for name in everything if name.startswith(("click_", "shown_", "attribute_"))
    } - {"shown_before"}


def test_the_features_that_are_kept_are_the_same() -> None:
    whole, less = engine_with(items(9)), engine_with(items(9), one_off("features.habits"))
    for engine in (whole, less):
        engine.apply([feedback("u", f"i{number}", 1000 * number) for number in range(1, 5)])
    rows = {}
    for engine in (whole, less):
        decision = engine.recommend(request("u", "d", 9000)).decision
        by_item = {slot.item_id: widen(slot.features) for slot in decision.slots}
        rows[engine] = {
            item: dict(zip(engine.state.columns, row.tolist(), strict=True))
            for item, row in by_item.items()
        }
    for item, row in rows[less].items():
        assert row.items() <= rows[whole][item].items()
        assert "usual_pause" not in row


@pytest.mark.parametrize("ranker", ["listwise", "vw", "ftrl"])
def test_without_the_personal_bandit_nobody_has_tastes(ranker: str) -> None:
    document = {"learners": {"ranker": ranker, "personal_bandit": {"enabled": False}}}
    engine = live(settings_of(document))
    assert "tastes" not in engine.state.pool.columns
    assert set(engine.state.columns).isdisjoint(PERSONAL)
    view = engine.user("u1")
    assert view is not None
    assert view.tastes == ()
    assert engine.stats().failed == 0


def test_the_ranker_starts_with_what_there_is() -> None:
    off = settings_of({"features": {"without": ["windows"]}})
    assert live(off).state.settings.learners.listwise.start == {"mix": 1.5, "taste_lift": 0.5}
    off = settings_of({"learners": {"personal_bandit": {"enabled": False}}})
    assert live(off).state.settings.learners.listwise.start == {"mix": 1.5, "click_lift_6h": 0.5}
    misspelt = {"learners": {"listwise": {"start": {"mix": 1.0, "click_lift_7h": 1.0}}}}
    with pytest.raises(InvalidSettings, match="'click_lift_7h'"):
        Engine.open(None, settings_of({"features": {"without": ["windows"]}} | misspelt))


def test_a_refit_starts_there_too() -> None:
    reader = LogReader(settings_of({"features": {"without": ["windows"]}}))
    record = Trainer(reader.settings, reader.columns).fresh()
    assert record == reader.live()
