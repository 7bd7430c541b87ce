"""A list made by one compiled call, and the same list made step by step."""

import msgspec
import pytest

from recsys.engine import Engine
from recsys.settings import ArmSettings, EngineSettings, SquareCBSettings
from tests.engines import asked, engine_with, feedback, items, request


def world() -> Engine:
    """Return an engine whose people like some of seven items, found and shown."""
    settings = EngineSettings(arms={"a": ArmSettings(policy=SquareCBSettings(gamma=50.0))})
    likes = [feedback(f"u{n % 4}", f"i{n * n % 7}", 1000 * n) for n in range(1, 30)]
    engine = engine_with([*items(7), *likes], settings)
    for n in range(5):
        shown = asked(engine, f"u{n}", f"before-{n}", 100_000 + n, n=3)
        liked = shown.slots[0].item_id
        engine.apply([feedback(f"u{n}", liked, 200_000, decision_id=shown.event_id)])
    return engine


@pytest.mark.parametrize("candidates", [None, ("i1", "i3", "i5", "unheard-of")])
def test_a_list_made_by_one_call_is_the_one_that_is_made_step_by_step(
    candidates: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = world()
    questions = [
        msgspec.structs.replace(request("u1", f"d{number}", n=4), candidates=candidates)
        for number in range(50)
    ]
    questions += [
        msgspec.structs.replace(one, user_id="stranger", context={"page": "home"})
        for one in questions
    ]
    at_once = [engine.recommend(one).decision for one in questions]
    monkeypatch.setattr("recsys.recommend._at_once", lambda *_: None)
    by_steps = [engine.recommend(one).decision for one in questions]
    assert len({tuple(slot.item_id for slot in made.slots) for made in at_once}) > 5
    for one, other in zip(at_once, by_steps, strict=True):
        assert one.features == other.features
        assert [(slot.item_id, slot.features) for slot in one.slots] == [
            (slot.item_id, slot.features) for slot in other.slots
        ]
        for slot, same in zip(one.slots, other.slots, strict=True):
            assert slot.score == pytest.approx(same.score, rel=1e-6)
            assert slot.propensity == pytest.approx(same.propensity, rel=1e-5)
