"""The replay buffer under any sequence of adding, drawing and restarting."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.features.base import Choice, Example
from recsys.memory.replay import ReplayBuffer
from recsys.settings import MemorySettings

T = TypeVar("T", Example, Choice)

steps = st.lists(
    st.one_of(st.integers(0, 9), st.sampled_from(["draw", "draw", "restart"])), max_size=120
)


@st.composite
def bounds(draw: st.DrawFn) -> MemorySettings:
    strata = draw(st.integers(1, 4))
    return MemorySettings(
        reservoir=draw(st.sampled_from([0, strata, 2 * strata + 1, 12])),
        recent=draw(st.integers(0, 4)),
        strata=strata,
        replays=draw(st.integers(0, 5)),
    )


def example(user: int, number: int) -> Example:
    return Example(user, (), number, b"", 0, 1.0, 0.0)


def choice(user: int, number: int) -> Choice:
    return Choice(user, b"", b"", 2, number, b"\x00\x3c")


def number_of(lesson: Example | Choice) -> int:
    return lesson.item if isinstance(lesson, Example) else lesson.chosen


@settings(max_examples=150, deadline=None)
@given(settings_=bounds(), script=steps, lesson=st.sampled_from([example, choice]))
def test_any_script_keeps_the_bounds_and_a_restart_changes_nothing(
    settings_: MemorySettings, script: list[int | str], lesson: Callable[[int, int], T]
) -> None:
    kind = type(lesson(0, 0))
    steady, restless = ReplayBuffer(kind, settings_, 1), ReplayBuffer(kind, settings_, 1)
    added = 0
    for step in script:
        match step:
            case "restart":
                record = restless.snapshot()
                restless = ReplayBuffer(kind, settings_, 1)
                restless.restore(record)
            case "draw":
                drawn = steady.sample()
                assert drawn == restless.sample()
                assert len(drawn) <= settings_.replays
                assert len(drawn) == settings_.replays or settings_.recent == 0 or not added
                assert all(number_of(old) < added for old in drawn)
            case int(user):
                for each in (steady, restless):
                    each.add(lesson(user, added))
                added += 1
        assert len(steady) <= settings_.reservoir + settings_.recent
        assert len(steady) + steady.evicted == added
    assert steady.snapshot() == restless.snapshot()
