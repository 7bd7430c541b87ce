"""Whatever is asked for and when: never more than the rate and the burst allow, and never less."""

from hypothesis import given
from hypothesis import strategies as st

from actors.auth.allowance import Allowance


class Clock:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    allowance = Allowance(clock=clock)
    assert [allowance.take("ann", 2.0, 3) for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 0.5]
    clock.s += 0.5
    assert allowance.take("ann", 2.0, 3) == 0.0
    assert allowance.take("ann", 2.0, 3) == 0.5
    assert allowance.take("ben", 2.0, 3) == 0.0
    clock.s += 100
    assert [allowance.take("ann", 2.0, 3) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_more_than_a_burst_is_paid_for_later() -> None:
    clock = Clock()
    allowance = Allowance(clock=clock)
    assert allowance.take("ann", 10.0, 5, n=100) == 0.0
    assert allowance.take("ann", 10.0, 5) == 9.6
    clock.s += 9.6
    assert allowance.take("ann", 10.0, 5) == 0.0


def test_who_was_not_heard_of_for_longest_is_forgotten() -> None:
    allowance = Allowance(bound=2, clock=Clock())
    for name in ("ann", "ben", "ann", "cid"):
        allowance.take(name, 1.0, 2)
    # Ben's place was taken, Ann has used up hers.
    assert allowance.take("ann", 1.0, 2) == 1.0
    assert allowance.take("ben", 1.0, 1) == 0.0


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 60)), max_size=60),
)
def test_the_bound_holds(rate: float, burst: int, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    allowance = Allowance(clock=clock)
    taken = list[tuple[float, int]]()
    for pause, n in steps:
        clock.s += pause
        wait = allowance.take("ann", rate, burst, n)
        if wait == 0.0:
            taken.append((clock.s, n))
            continue
        # Neither a moment before the time that was named, nor after it.
        clock.s += wait * 0.99
        assert allowance.take("ann", rate, burst, n) > 0.0
        clock.s += wait * 0.01 + 1e-6
        assert allowance.take("ann", rate, burst, n) == 0.0
        taken.append((clock.s, n))
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            seconds = taken[last][0] - taken[first][0]
            # What comes last may be larger than the burst: it is paid for afterwards.
            pieces = sum(n for _, n in taken[first:last]) + min(taken[last][1], burst)
            assert pieces <= burst + rate * (seconds + 1e-6)
