import msgspec

from benchmarks.replay import Twice, faults
from simulators.replay import ReplayResult

GOOD = Twice(
    rows=10,
    first=ReplayResult(events=10, accepted=10, learned=10),
    second=ReplayResult(events=10, duplicates=10, learned=0),
    learned_first={"click": 4, "rating": 6},
    learned_second={"click": 4, "rating": 6},
)


def test_a_second_run_that_adds_nothing_is_without_fault() -> None:
    assert faults(GOOD) == []


def test_every_difference_is_named() -> None:
    bad = msgspec.structs.replace(
        GOOD,
        first=ReplayResult(events=10, accepted=9, duplicates=1, learned=9),
        second=ReplayResult(events=10, accepted=1, duplicates=8, conflicts=1),
        learned_second={"click": 5, "rating": 6},
    )
    assert faults(bad) == [
        "first run, accepted: 9 of 10",
        "first run, duplicates: 1 of 0",
        "first run, learned: 9 of 10",
        "second run, accepted: 1 of 0",
        "second run, duplicates: 8 of 10",
        "second run, failed: 1 of 0",
        "learned {'click': 4, 'rating': 6}, then {'click': 5, 'rating': 6}",
    ]
