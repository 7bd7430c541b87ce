"""The replay buffer: bounded, fair to quiet users, repeatable."""

from collections import Counter

import pytest

from recsys.errors import CorruptRecord, IncompatibleState
from recsys.features.base import Example
from recsys.memory.replay import ReplayBuffer
from recsys.settings import MemorySettings


def example(number: int, user: int = 0) -> Example:
    return Example(user, (), number, b"", 0, 1.0, 0.0)


def buffer(
    reservoir: int, recent: int, strata: int = 1, replays: int = 2, seed: int = 1
) -> ReplayBuffer[Example]:
    settings = MemorySettings(reservoir=reservoir, recent=recent, strata=strata, replays=replays)
    return ReplayBuffer(Example, settings, seed)


def drawn(one: ReplayBuffer[Example], times: int) -> Counter[int]:
    return Counter(old.item for _ in range(times) for old in one.sample())


def test_nothing_is_drawn_from_nothing() -> None:
    assert buffer(4, 4).sample() == []


@pytest.mark.parametrize(("reservoir", "recent"), [(6, 3), (0, 3), (6, 0), (0, 0)])
def test_its_bound_holds_and_what_leaves_is_counted(reservoir: int, recent: int) -> None:
    one = buffer(reservoir, recent, strata=3)
    for number in range(50):
        one.add(example(number, user=number))
        assert len(one) <= reservoir + recent
    assert len(one) == reservoir + recent
    assert one.evicted == 50 - reservoir - recent


def test_turns_go_to_all_time_and_to_lately() -> None:
    one = buffer(10, 5)
    for number in range(15):
        one.add(example(number))
    for _ in range(50):
        old, recent = one.sample()
        assert old.item < 10 <= recent.item


def test_the_recent_part_is_the_newest() -> None:
    one = buffer(0, 5)
    for number in range(30):
        one.add(example(number))
    assert set(drawn(one, 200)) == set(range(25, 30))


def test_the_reservoir_is_a_fair_sample_of_all_time() -> None:
    kept = Counter[int]()
    for seed in range(400):
        one = buffer(10, 0, seed=seed, replays=1)
        for number in range(40):
            one.add(example(number))
        kept.update(old.item for old in held(one))
    # Each of 40 is kept with probability 1/4: 100 times, with a deviation of 9.
    assert all(100 - 45 <= kept[number] <= 100 + 45 for number in range(40))
    quarters = [sum(kept[number] for number in range(q, q + 10)) for q in (0, 10, 20, 30)]
    assert all(abs(quarter - 1000) < 110 for quarter in quarters)


def held(one: ReplayBuffer[Example]) -> list[Example]:
    """Return what is in the buffer, by drawing until nothing new comes."""
    found = dict[int, Example]()
    for _ in range(40 * len(one)):
        found |= {old.item: old for old in one.sample()}
    assert len(found) == len(one)
    return list(found.values())


def test_a_busy_user_does_not_push_out_a_quiet_one() -> None:
    one = buffer(20, 0, strata=2, replays=1)
    for number in range(5):
        one.add(example(number, user=1))
    for number in range(5, 2000):
        one.add(example(number, user=2))
    kept = {old.item for old in held(one)}
    assert kept >= set(range(5))
    # Strata are drawn with equal chances, however little is in them.
    quiet = sum(count for item, count in drawn(one, 400).items() if item < 5)
    assert 140 <= quiet <= 260


@pytest.mark.parametrize(
    ("stratify", "kept"), [("user", {0, 1, 2}), ("item", {0, 2, 5000}), ("none", set[int]())]
)
def test_what_is_rare_stays_by_what_the_strata_are_made_by(stratify: str, kept: set[int]) -> None:
    settings = MemorySettings.model_validate(
        {"reservoir": 20, "recent": 0, "strata": 2, "stratify": stratify, "replays": 1}
    )
    one = ReplayBuffer(Example, settings, 1)
    # One person has the first three, another all others; three items are even.
    for number in range(3):
        one.add(example(number, user=1))
    for number in range(3, 3000):
        one.add(example(2 * number + 1, user=2))
    one.add(example(5000, user=2))
    assert ({old.item for old in held(one)} & {0, 1, 2, 5000}) == kept


def test_in_haste_only_what_is_recent_is_drawn() -> None:
    one = buffer(10, 5)
    for number in range(15):
        one.add(example(number))
    assert {old.item for _ in range(50) for old in one.sample(recent_only=True)} <= set(
        range(10, 15)
    )
    assert len(one.sample(recent_only=True)) == 1


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    one, other = buffer(6, 3, strata=2), buffer(6, 3, strata=2)
    for number in range(25):
        one.add(example(number, user=number))
        one.sample()
    other.restore(one.snapshot())
    for number in range(25, 60):
        for each in (one, other):
            each.add(example(number, user=number))
        assert one.sample() == other.sample()
    assert one.snapshot() == other.snapshot()
    assert one.evicted == other.evicted == 60 - 9


def test_chance_comes_from_the_seed() -> None:
    one, same, other = (buffer(6, 3, seed=seed) for seed in (1, 1, 2))
    for number in range(40):
        for each in (one, same, other):
            each.add(example(number))
    lots = [[old.item for _ in range(10) for old in each.sample()] for each in (one, same, other)]
    assert lots[0] == lots[1] != lots[2]


def test_other_strata_are_incompatible() -> None:
    with pytest.raises(IncompatibleState, match="2 strata, the settings say 3"):
        buffer(6, 3, strata=3).restore(buffer(6, 3, strata=2).snapshot())


def test_a_smaller_bound_takes_hold_with_the_next_example() -> None:
    large, small = buffer(0, 20), buffer(0, 4)
    for number in range(20):
        large.add(example(number))
    small.restore(large.snapshot())
    small.add(example(20))
    assert len(small) == 4


def test_a_damaged_snapshot_is_refused() -> None:
    record = bytearray(buffer(6, 3).snapshot())
    record[-1] ^= 1
    with pytest.raises(CorruptRecord):
        buffer(6, 3).restore(bytes(record))


def test_an_erased_persons_lessons_leave_both_parts() -> None:
    one = buffer(12, 6, strata=3)
    for number in range(60):
        one.add(example(number, user=number % 4))
    evicted, size = one.evicted, len(one)
    one.erase(2)
    left = drawn(one, 400)
    assert left
    assert {item % 4 for item in left} == {0, 1, 3}
    assert one.evicted == evicted
    assert len(one) < size
    again = buffer(12, 6, strata=3)
    again.restore(one.snapshot())
    for number in range(60, 90):
        again.add(example(number, user=number % 4))
        one.add(example(number, user=number % 4))
    assert again.snapshot() == one.snapshot()
    assert len(one) == 18
    for user in range(4):
        one.erase(user)
    assert (len(one), one.sample()) == (0, [])
