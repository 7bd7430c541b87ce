"""What the fold makes into choices for the ranker: clicks on lists, and what people find."""

import numpy as np
import pytest

from recsys.engine import Engine
from recsys.events import Event
from recsys.features.base import Choice
from recsys.ids import feature_hash
from recsys.settings import (
    EngineSettings,
    JoinerSettings,
    LearnerSettings,
    ListwiseSettings,
    MemorySettings,
    MeterSettings,
)
from tests.engines import ask, asked, engine_with, feedback, item, items

PATIENT = EngineSettings(joiner=JoinerSettings(examination_decay=0.0))
"""Every slot counts as looked at."""
USER = feature_hash("user", "u")


def with_ranker(ranker: str, **memory: int) -> EngineSettings:
    return EngineSettings(
        joiner=JoinerSettings(examination_decay=0.0),
        learners=LearnerSettings.model_validate({"ranker": ranker}),
        memory=MemorySettings(**memory, meter=MeterSettings(slice=0)),
    )


@pytest.mark.parametrize(("first", "share", "expected"), [(0, 0.0, 0), (40, 0.0, 40), (0, 1.0, 99)])
def test_a_ranker_that_has_learned_much_learns_a_share_of_what_is_found(
    first: int, share: float, expected: int
) -> None:
    ranker = ListwiseSettings(found_first=first, found_share=share)
    settings = EngineSettings(learners=LearnerSettings(listwise=ranker))
    engine = engine_with([*items(50), feedback("v", "i0", 100)], settings)
    clicks = [feedback(f"u{n % 2}", f"i{n // 2}", 1000 + n) for n in range(98)]
    engine.apply(clicks)
    assert engine.state.counters.choices == expected


def test_the_share_is_drawn_by_lot() -> None:
    settings = EngineSettings(
        learners=LearnerSettings(listwise=ListwiseSettings(found_first=0, found_share=0.25))
    )
    engine = engine_with(items(50), settings)
    engine.apply([feedback(f"u{n // 40}", f"i{n % 40}", 1000 + n) for n in range(800)])
    assert engine.state.counters.choices == pytest.approx(200, abs=50)
    # What was shown is learned whatever the lot.
    before = engine.state.counters.choices
    for number in range(10):
        shown = asked(engine, f"new{number}", f"d{number}").slots[0].item_id
        engine.apply([feedback(f"new{number}", shown, 1_000_001, decision_id=f"d{number}")])
    assert engine.state.counters.choices == before + 10


def test_what_is_found_is_learned_the_less_the_more_lists_have_taught() -> None:
    def found(lists: int) -> int:
        ranker = ListwiseSettings(found_beside=20.0)
        settings = EngineSettings(learners=LearnerSettings(listwise=ranker))
        engine = engine_with(items(50), settings)
        for number in range(lists):
            shown = asked(engine, f"v{number}", f"d{number}").slots[0].item_id
            engine.apply([feedback(f"v{number}", shown, 1_000_001, decision_id=f"d{number}")])
        assert engine.state.counters.listed == engine.state.counters.choices == lists
        engine.apply([feedback(f"u{n // 40}", f"i{n % 40}", 2_000_000 + n) for n in range(800)])
        assert engine.state.counters.listed == lists
        return engine.state.counters.choices - lists

    everything = found(0)
    assert found(20) == pytest.approx(everything / 2, rel=0.15)
    assert found(180) == pytest.approx(everything / 10, rel=0.4)


def test_old_choices_are_taught_beside_new_ones() -> None:
    engine = engine_with(items(6), with_ranker("listwise", replays=3))
    for number in range(3):
        shown = asked(engine, "u", f"d{number}", 1000 * number + 1000, n=4).slots[1].item_id
        engine.apply([feedback("u", shown, 1000 * number + 1500, decision_id=f"d{number}")])
    stats = engine.stats()
    assert engine.state.counters.choices == stats.replay_size == 3
    assert stats.replayed == 6
    # Passed-over slots are examples: they teach this learner nothing, and are not kept.
    assert stats.examples > 3
    assert len(engine.state.examples) == 0


def choices_of(engine: Engine) -> list[Choice]:
    """Return what the learner was told that people chose."""
    return engine.state.choices.sample()


def test_the_first_click_on_a_slot_is_a_choice_among_what_was_not_clicked() -> None:
    engine = engine_with(items(6), with_ranker("listwise", replays=32))
    slots = asked(engine, "u", "d", n=4).slots
    clicks = [
        feedback("u", slots[place].item_id, 1_000_000 + ts, kind, decision_id="d")
        for ts, (place, kind) in enumerate(
            [(2, "click"), (2, "purchase"), (0, "click"), (3, "skip"), (1, "click")]
        )
    ]
    engine.apply(clicks)
    assert engine.state.counters.choices == 3
    found = {choice.n: choice for choice in choices_of(engine)}
    assert {n: choice.chosen for n, choice in found.items()} == {4: 2, 3: 0, 2: 0}
    features = [slot.features for slot in slots]
    assert found[4].rows == b"".join(features)
    assert found[3].rows == features[0] + features[1] + features[3]
    assert found[2].rows == features[1] + features[3]
    assert found[2].shared == engine.decision("d").features  # type: ignore[union-attr]


@pytest.mark.parametrize("decay", [0.0, 0.6])
def test_a_choice_knows_how_likely_each_place_was_looked_at(decay: float) -> None:
    settings = with_ranker("listwise", replays=1).model_copy(
        update={"joiner": JoinerSettings(examination_decay=decay)}
    )
    engine = engine_with(items(6), settings)
    slots = asked(engine, "u", "d", n=4).slots
    engine.apply([feedback("u", slots[1].item_id, 1_000_001, decision_id="d")])
    engine.apply([feedback("u", slots[3].item_id, 1_000_002, decision_id="d")])
    examined = {
        choice.n: np.exp(choice.examination()) for _ in range(20) for choice in choices_of(engine)
    }
    np.testing.assert_allclose(examined[4], [1.0, 2**-decay, 3**-decay, 4**-decay], rtol=1e-3)
    np.testing.assert_allclose(examined[3], [1.0, 3**-decay, 4**-decay], rtol=1e-3)


def test_what_somebody_finds_is_a_choice_among_what_would_have_been_considered() -> None:
    engine = engine_with([*items(6), *(feedback("v", f"i{n}", n) for n in range(6))], PATIENT)
    before = engine.state.counters.choices
    engine.apply([feedback("u", "i3", 1_000_000)])
    assert engine.state.counters.choices == before + 1
    (choice,) = {c for _ in range(200) for c in choices_of(engine) if c.user == USER}
    asked_before = engine_with([*items(6), *(feedback("v", f"i{n}", n) for n in range(6))], PATIENT)
    ask(asked_before, "u", "d", 1_000_000)
    state = asked_before.state
    cut = state.pool.cut(state.catalogue.alive, state.weights, 50)
    assert choice.n == len(cut.items) == 6
    assert cut.items[choice.chosen] == state.catalogue.index("i3")
    assert choice.examined == b"", "nobody was shown a list"


def test_what_is_no_choice() -> None:
    engine = engine_with(items(6), PATIENT)
    asked(engine, "u", "d", n=3)
    first: list[Event] = [
        feedback("u", "i1", 1_000_000, "dislike"),  # nothing was earned
        feedback("u", "new", 1_000_001),  # came with the feedback: nobody could have considered it
        item(7, ts_ms=1_000_002),
        feedback("u", "i7", 1_000_002),  # the same
    ]
    engine.apply(first)
    assert engine.state.counters.choices == 0
    engine.apply([feedback("u", "i2", 1_000_003), feedback("u", "i2", 1_000_004)])
    # The second time, i2 was consumed already.
    assert engine.state.counters.choices == 1
    with_vw = engine_with(items(6), with_ranker("vw"))
    with_vw.apply([feedback("u", "i2", 1_000_002)])
    assert with_vw.state.counters.choices == 0


def test_a_list_that_leaves_no_choice_does_not_count_as_one() -> None:
    engine = engine_with(items(6), PATIENT)
    only = asked(engine, "u", "d", n=1).slots[0].item_id
    engine.apply([feedback("u", only, 1_000_001, decision_id="d")])
    assert (engine.state.counters.choices, engine.state.counters.listed) == (0, 0)
