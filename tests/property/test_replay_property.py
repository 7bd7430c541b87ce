"""The replay buffer under any sequence of adding, drawing and restarting."""

from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.features.base import Example
from recsys.memory.replay import ReplayBuffer
from recsys.settings import MemorySettings

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


@settings(max_examples=150, deadline=None)
@given(settings_=bounds(), script=steps)
def test_any_script_keeps_the_bounds_and_a_restart_changes_nothing(
    settings_: MemorySettings, script: list[int | str]
) -> None:
    steady, restless = ReplayBuffer(settings_, 1), ReplayBuffer(settings_, 1)
    added = 0
    for step in script:
        match step:
            case "restart":
                record = restless.snapshot()
                restless = ReplayBuffer(settings_, 1)
                restless.restore(record)
            case "draw":
                drawn = steady.sample()
                assert drawn == restless.sample()
                assert len(drawn) <= settings_.replays
                assert len(drawn) == settings_.replays or settings_.recent == 0 or not added
                assert all(old.item < added for old in drawn)
            case int(user):
                for each in (steady, restless):
                    each.add(Example(user, (), added, b"", 0, 1.0, 0.0))
                added += 1
        assert len(steady) <= settings_.reservoir + settings_.recent
        assert len(steady) + steady.evicted == added
    assert steady.snapshot() == restless.snapshot()
