"""A list made by one compiled call, and the same list made step by step."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from recsys.at_once import AtOnce
from recsys.decision import Made, Request
from recsys.engine import Engine
from recsys.events import Decision
from recsys.settings import ArmSettings, EngineSettings, SquareCBSettings
from tests.engines import asked, engine_with, feedback, items, request

ARMS = {"a": ArmSettings(policy=SquareCBSettings(gamma=50.0))}


def world(settings: dict[str, Any] | None = None) -> Engine:
    """Return an engine whose people like some of twelve items, found and shown."""
    likes = [feedback(f"u{n % 4}", f"i{n * n % 7}", 1000 * n) for n in range(1, 30)]
    engine = engine_with([*items(12), *likes], EngineSettings(arms=ARMS, **settings or {}))
    for n in range(5):
        shown = asked(engine, f"u{n}", f"before-{n}", 100_000 + n, n=3)
        liked = shown.slots[0].item_id
        engine.apply([feedback(f"u{n}", liked, 200_000, decision_id=shown.event_id)])
    return engine


class Watch:
    """Counts the lists that one call has made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        self.allowed = True
        making = AtOnce.__call__

        def make(maker: AtOnce, *question: Any) -> Made | None:  # noqa: ANN401
            made = making(maker, *question) if self.allowed else None
            self.made += made is not None
            return made

        monkeypatch.setattr(AtOnce, "__call__", make)


def both_ways(
    engine: Engine, questions: Sequence[Request], watch: Watch
) -> tuple[list[Decision], list[Decision]]:
    """Return the lists as they are made, and as they are made step by step."""
    as_they_come = [engine.recommend(one).decision for one in questions]
    watch.allowed = False
    return as_they_come, [engine.recommend(one).decision for one in questions]


def assert_same(some: Sequence[Decision], others: Sequence[Decision]) -> None:
    for one, other in zip(some, others, strict=True):
        assert one.features == other.features
        assert (one.policy, one.fallback, one.context) == (
            other.policy, other.fallback, other.context
        )  # fmt: skip
        assert [(slot.item_id, slot.features) for slot in one.slots] == [
            (slot.item_id, slot.features) for slot in other.slots
        ]
        for slot, same in zip(one.slots, other.slots, strict=True):
            assert slot.score == pytest.approx(same.score, rel=1e-6)
            assert slot.propensity == pytest.approx(same.propensity, rel=1e-5)


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("exclude", [(), ("i2", "unheard-of", "i6")])
def test_a_list_made_by_one_call_is_the_one_that_is_made_step_by_step(
    exclude: tuple[str, ...], *, repeats: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, watch = world({"catalogue": {"repeats": repeats}}), Watch(monkeypatch)
    questions = [
        msgspec.structs.replace(request("u1", f"d{number}", n=2), exclude=exclude)
        for number in range(50)
    ]
    questions += [
        msgspec.structs.replace(one, user_id="stranger", context={"page": "home"})
        for one in questions
    ]
    at_once, by_steps = both_ways(engine, questions, watch)
    assert watch.made == len(questions)
    assert len({tuple(slot.item_id for slot in made.slots) for made in at_once}) > 5
    assert_same(at_once, by_steps)
    shown = {slot.item_id for made in at_once for slot in made.slots}
    assert not shown & set(exclude)


def test_a_list_longer_than_what_is_kept_is_made_by_one_call_from_the_first_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, watch = world({"candidates": {"keep": 3}}), Watch(monkeypatch)
    questions = [request("u1", f"d{number}", n=5) for number in range(10)]
    at_once, by_steps = both_ways(engine, questions, watch)
    assert watch.made == len(questions)
    assert {len(made.slots) for made in at_once} == {5}
    assert_same(at_once, by_steps)


def test_items_that_came_since_are_among_those_of_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays have grown, and people have gone on: what was held for the call is of before."""
    engine, watch = world(), Watch(monkeypatch)
    engine.recommend(request("u1", "first"))
    engine.apply(items(200))
    engine.apply([feedback(f"u{n}", f"i{n + 100}", 300_000 + n) for n in range(40)])
    questions = [request("u1", f"d{number}") for number in range(30)]
    at_once, by_steps = both_ways(engine, questions, watch)
    assert watch.made == len(questions)
    assert_same(at_once, by_steps)
    assert {slot.item_id for made in at_once for slot in made.slots} - {f"i{n}" for n in range(12)}


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({}, {"candidates": ("i1", "i3", "i5", "unheard-of")}),
        ({}, {"n": 30}),
        ({"features": {"without": ["habits"]}}, {}),
        ({"learners": {"ranker": "ftrl"}}, {}),
        ({"learners": {"personal_bandit": {"enabled": False}}}, {}),
        ({"new_items": {"share": 0.5}}, {}),
    ],
    ids=["named", "fewer than wanted", "features off", "ranker", "no bandit", "kept for new items"],
)
def test_what_one_call_cannot_make_is_made_in_steps(
    settings: dict[str, Any], changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, watch = world(settings), Watch(monkeypatch)
    question = msgspec.structs.replace(request("u1", "d", n=2), **changes)
    made = engine.recommend(question).decision
    assert watch.made == 0
    assert made.slots
    assert made.policy == "a"
