from pathlib import Path

from benchmarks.rebuild import rebuild
from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback, ItemUpsert
from recsys.settings import EngineSettings

SETTINGS = EngineSettings()
PEOPLE = ("ann", "bob", "eve")


def click(number: int, decision_id: str | None = None, item: str | None = None) -> Feedback:
    return Feedback(
        event_id=f"click-{number}",
        user_id=PEOPLE[number % len(PEOPLE)],
        ts_ms=10**12 + number,
        type="click",
        item_id=item or f"item-{number % 7}",
        decision_id=decision_id,
    )


def live(folder: Path, first: int) -> None:
    """Let an engine learn a little and end without a last snapshot, as if it had been killed."""
    engine = Engine.open(folder, SETTINGS)
    items: list[Event] = [
        ItemUpsert(event_id=f"put-{first}-{n}", ts_ms=10**12, item_id=f"item-{n}")
        for n in range(40)
    ]
    engine.apply(items)
    for number in range(first, first + 20):
        request = Request(
            user_id=PEOPLE[number % len(PEOPLE)],
            n=3,
            decision_id=f"decision-{number}",
            ts_ms=10**12 + number,
        )
        decision = engine.recommend(request).decision
        engine.apply([decision, click(number, decision.event_id, decision.slots[0].item_id)])
        if number == first + 10:
            engine.snapshot()
    engine.close()


def end_well(folder: Path) -> None:
    engine = Engine.open(folder, SETTINGS)
    engine.snapshot()
    engine.close()


def test_kills_leave_what_no_kills_would_have_left(tmp_path: Path) -> None:
    for first in (0, 100, 200):
        live(tmp_path, first)
    end_well(tmp_path)
    found = rebuild(tmp_path, SETTINGS)
    assert found.different == []
    assert found.parts > 5
    assert found.people == len(PEOPLE)


def test_one_event_learned_twice_shows(tmp_path: Path) -> None:
    live(tmp_path, 0)
    engine = Engine.open(tmp_path, SETTINGS)
    twice = click(300)
    engine.apply([twice])
    # The state has it twice, the log once: what exactly-once learning excludes.
    engine.state.users.touch(twice.user_id).events += 1
    engine.state.counters.feedback["click"] += 1
    engine.snapshot()
    engine.close()
    assert rebuild(tmp_path, SETTINGS).different == ["counters", twice.user_id]
