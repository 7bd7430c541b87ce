"""What a capture holds, whatever happens while it is made and afterwards."""

from recsys.decision import Request
from recsys.events import Event
from tests.engines import asked, engine_with, feedback, items


def people(n: int, first_ms: int = 1000) -> list[Event]:
    return [feedback(f"u{number}", f"i{number % 5}", first_ms + number) for number in range(n)]


def test_a_capture_is_not_changed_by_further_learning() -> None:
    engine = engine_with([*items(5), *people(3)])
    capture = engine.capture()
    parts = engine.state.parts()
    asked(engine, "u0", "d")
    engine.apply(people(3, first_ms=5000))
    assert {name: part() for name, part in capture.parts.items()} == parts
    assert engine.state.parts() != parts
    assert capture.sequence == 8


def test_a_capture_in_steps_is_the_same_whoever_asks_in_between() -> None:
    engine = engine_with([*items(5), *people(40)])
    parts, users = engine.state.parts(), {user.user_id for user in engine.state.users.dirty()}
    steps = engine.capturing()
    taken = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            capture = end.value
            break
        taken += 1
        engine.recommend(Request(user_id=f"u{taken}", ts_ms=10_000, decision_id=f"d{taken}"))
    assert taken > len(parts)
    assert {name: part() for name, part in capture.parts.items()} == parts
    assert set(capture.users) == users
