"""Close and open again: from the snapshot, from the log, or not at all."""

import logging
import re
import shutil
from pathlib import Path

import pytest

from recsys.codec import pack, unpack
from recsys.engine import Engine
from recsys.errors import CorruptRecord, InvalidSettings
from recsys.past import Seen
from recsys.settings import EngineSettings, FeatureSettings, UserSettings
from recsys.store.memory import MemoryStore
from recsys.users import User
from tests.engines import KEY, asked, engine_with, feedback, items

SMALL = EngineSettings(users=UserSettings(in_memory=2), features=FeatureSettings(crossings=100))


def changed(**changes: object) -> EngineSettings:
    """Return the small settings with some sections replaced."""
    document = SMALL.model_dump() | changes
    return EngineSettings.model_validate(document)


VW = changed(learners={"ranker": "vw"})
FTRL = changed(learners={"ranker": "ftrl"})
OTHERS = {
    "hidden layer": (SMALL, changed(learners={"listwise": {"hidden": 8}})),
    "ranker": (SMALL, VW),
    "vw bits": (VW, changed(learners={"ranker": "vw", "vw": {"bits": 14}})),
    "vw to ftrl": (VW, FTRL),
    "ftrl bits": (FTRL, changed(learners={"ranker": "ftrl", "ftrl": {"bits": 14}})),
    "ftrl rate": (FTRL, changed(learners={"ranker": "ftrl", "ftrl": {"rate": 0.1}})),
    "strata": (SMALL, changed(memory={"strata": 3})),
    "kernels": (SMALL, changed(candidates={"transitions": {"kernels": {"only": {}}}})),
    "popular windows": (
        SMALL,
        changed(candidates={"popular": {"windows": {"day": {"half_life_s": 86_400.0}}}}),
    ),
    "windows": (SMALL, changed(features={"windows_s": [21_600.0]})),
    "crossings": (SMALL, changed(features={"crossings": 1000})),
    "source off": (SMALL, changed(candidates={"without": ["fresh"]})),
    "source on": (changed(candidates={"without": ["fresh"]}), SMALL),
    "vw and source off": (
        VW,
        changed(learners={"ranker": "vw"}, candidates={"without": ["recent_tastes"]}),
    ),
    "vw and family off": (
        VW,
        changed(learners={"ranker": "vw"}, features={"crossings": 100, "without": ["counts"]}),
    ),
    "family on": (changed(features={"crossings": 100, "without": ["context"]}), SMALL),
    "bandit off": (SMALL, changed(learners={"personal_bandit": {"enabled": False}})),
}
"""Settings that cannot go on from a snapshot of the others before them."""


def live(engine: Engine, round_: int) -> None:
    """Let five people ask, click and find things by themselves."""
    start = 1_000_000 * round_
    for number in range(5):
        user, decision_id = f"u{number}", f"d{round_}-{number}"
        decision = asked(engine, user, decision_id, start + 1000 * number, n=4)
        clicked = decision.slots[number % 3].item_id
        engine.apply(
            [
                feedback(user, clicked, start + 1000 * number + 500, decision_id=decision_id),
                feedback(
                    user, f"i{(3 * number + round_) % 20}", start + 1000 * number + 600, "view"
                ),
            ]
        )


def history(engine: Engine) -> list[object]:
    return [engine.user(f"u{number}") for number in range(6)]


@pytest.mark.parametrize("snapshots", [(), (2,), (1, 2), (0, 2)], ids=str)
def test_opening_again_changes_nothing(tmp_path: Path, snapshots: tuple[int, ...]) -> None:
    engine = Engine.open(tmp_path, SMALL)
    engine.apply(items(20))
    for round_ in range(3):
        live(engine, round_)
        if round_ in snapshots:
            engine.snapshot()
    before, people, stats = engine.fingerprint(), history(engine), engine.stats()
    engine.close()
    for _ in range(2):
        engine = Engine.open(tmp_path, SMALL)
        assert engine.fingerprint() == before
        assert history(engine) == people
        assert engine.stats().arms == stats.arms
        assert engine.stats().examples == stats.examples > 20
        engine.close()


def test_life_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """A steady engine and one that is reopened at each step learn and answer the same."""
    steady = Engine.open(tmp_path / "steady", SMALL)
    steady.close()
    restless = tmp_path / "restless"
    shutil.copytree(tmp_path / "steady", restless)  # the same key
    steady = Engine.open(tmp_path / "steady", SMALL)
    engine = Engine.open(restless, SMALL)
    for each in (steady, engine):
        each.apply(items(20))
    for round_ in range(4):
        live(steady, round_)
        live(engine, round_)
        if round_ % 2:
            engine.snapshot()
        engine.close()
        engine = Engine.open(restless, SMALL)
        assert engine.fingerprint() == steady.fingerprint()
    engine.close()
    steady.close()


@pytest.mark.parametrize("name", OTHERS)
def test_settings_that_cannot_go_on_rebuild_from_the_log(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, (former, other) = MemoryStore(), OTHERS[name]
    engine = engine_with(items(20), former, store)
    for round_ in range(2):
        live(engine, round_)
        engine.snapshot()
    with caplog.at_level(logging.WARNING):
        rebuilt = Engine(store.reopened(), other, KEY)
    assert "rebuilding the state from the whole log" in caplog.text
    fresh_store = MemoryStore()
    fresh_store.append([event for _, event in store.read(after=0)])
    fresh = Engine(fresh_store, other, KEY)
    assert rebuilt.fingerprint() == fresh.fingerprint()
    for each in (rebuilt, fresh):
        live(each, 2)
        each.snapshot()
        live(each, 3)
    assert history(rebuilt) == history(fresh)
    assert rebuilt.fingerprint() == fresh.fingerprint()


def test_people_who_left_memory_after_a_rebuild_come_back() -> None:
    store = MemoryStore()
    engine = engine_with(items(20), SMALL, store)
    live(engine, 0)
    engine.snapshot()
    people = history(engine)
    rebuilt = Engine(store.reopened(), OTHERS["strata"][1], KEY)
    rebuilt.snapshot()
    assert rebuilt.stats().users_in_memory == 2
    assert history(rebuilt) == people


def test_a_rebuild_is_done_once() -> None:
    store = MemoryStore()
    engine = engine_with(items(20), SMALL, store)
    live(engine, 0)
    engine.snapshot()
    middle = store.reopened()
    rebuilt = Engine(middle, OTHERS["strata"][1], KEY)
    rebuilt.snapshot()
    before = rebuilt.fingerprint()
    again = Engine(middle.reopened(), OTHERS["strata"][1], KEY)
    assert again.stats().snapshot_sequence == again.stats().sequence
    assert again.fingerprint() == before


@pytest.mark.parametrize("name", OTHERS)
def test_without_the_whole_log_such_settings_are_refused(name: str) -> None:
    store, (former, other) = MemoryStore(log_events=5), OTHERS[name]
    engine = engine_with(items(20), former, store)
    live(engine, 0)
    engine.snapshot()
    with pytest.raises(InvalidSettings, match="restore the former settings"):
        Engine(store.reopened(), other, KEY)
    assert Engine(store.reopened(), former, KEY).fingerprint() == engine.fingerprint()


def test_a_lost_key_rebuilds_from_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine.open(tmp_path, SMALL)
    engine.apply(items(20))
    live(engine, 0)
    engine.snapshot()
    people = history(engine)
    engine.close()
    (tmp_path / "key").unlink()
    with caplog.at_level(logging.WARNING):
        engine = Engine.open(tmp_path, SMALL)
    assert "sealed under another key" in caplog.text
    assert history(engine) == people
    live(engine, 1)
    engine.snapshot()
    assert engine.stats().failed == 0
    engine.close()


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ({"source.tastes"}, r"lacks the parts \['source.tastes'\]"),
        ({"layout", "habits", "choices", "windows.items", "source.factors"}, "lacks the parts"),
        (set(), "has layout 1, this version reads 6"),
    ],
    ids=["source", "all that is new", "layout"],
)
def test_a_snapshot_of_an_older_version_is_rebuilt_from_the_log(
    lacking: set[str], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    engine = engine_with(items(20), SMALL, store)
    live(engine, 0)
    capture = engine.capture()
    parts = {name: part() for name, part in capture.parts.items() if name not in lacking}
    assert len(parts) == len(capture.parts) - len(lacking)
    if not lacking:
        parts["layout"] = pack(1)
    store.commit_snapshot(capture.sequence, parts, capture.users)
    with caplog.at_level(logging.WARNING):
        rebuilt = Engine(store.reopened(), SMALL, KEY)
    assert re.search(words, caplog.text)
    assert rebuilt.fingerprint() == engine.fingerprint()


def test_a_person_of_an_older_version_is_read() -> None:
    """Their record lacks what they were shown and which session they are in."""
    old = {"user_id": "u", "items": [1], "times_ms": [5], "clicks": 1, "liked_by": "click"}
    user = unpack(pack(old), User)
    assert (user.seen, user.session, user.clicks) == (Seen(), -1, 1)
    assert (user.items.tolist(), user.times_ms.tolist()) == ([1], [5])


def test_a_damaged_part_is_not_rebuilt_but_reported() -> None:
    store = MemoryStore()
    engine = engine_with(items(20), SMALL, store)
    capture = engine.capture()
    parts = {name: part() for name, part in capture.parts.items()}
    parts["catalogue"] = parts["catalogue"][:-1]
    store.commit_snapshot(capture.sequence, parts, {})
    with pytest.raises(CorruptRecord):
        Engine(store.reopened(), SMALL, KEY)


def test_another_estimator_starts_each_person_again() -> None:
    store = MemoryStore()
    engine = engine_with(items(20), changed(learners={"user_model": {"enabled": True}}), store)
    live(engine, 0)
    engine.snapshot()
    naive = {"enabled": True, "estimator": "river.naive_bayes.BernoulliNB"}
    other = Engine(store.reopened(), changed(learners={"user_model": naive}), KEY)
    before = other.fingerprint()
    live(other, 1)
    assert other.stats().failed == 0
    assert other.state.user_model.resets == 5
    assert other.fingerprint() != before
