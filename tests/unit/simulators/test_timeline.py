from collections import Counter
from itertools import islice, pairwise

import pytest

from simulators.timeline import looks, looks_of
from simulators.worlds import World, WorldSettings

SMALL = WorldSettings(seed=7, n_people=40, n_items=60)


def turns(world: World, n: int, stream: int = 0) -> list[tuple[float, str]]:
    return [(at_s, person.user_id) for at_s, person in islice(looks(world, stream), n)]


def test_turns_come_in_the_order_of_time_and_are_the_worlds_own() -> None:
    found = turns(World(SMALL), 2000)
    times = [at_s for at_s, _ in found]
    assert times == sorted(times)
    assert found == turns(World(SMALL), 2000)
    assert found != turns(World(SMALL), 2000, stream=1)


def test_visits_overlap_and_nobody_looks_twice_at_a_time() -> None:
    found = turns(World(SMALL), 2000)
    neighbours = [one[1] == other[1] for one, other in pairwise(found)]
    assert 0 < sum(neighbours) < 0.5 * len(neighbours)
    # A second visit beside the first would make pauses far shorter than thinking takes.
    last_s = dict[str, float]()
    pauses = list[float]()
    for at_s, user_id in found:
        if user_id in last_s:
            pauses.append(at_s - last_s[user_id])
        last_s[user_id] = at_s
    within = [pause for pause in pauses if pause < 60.0]
    assert sum(within) / len(within) == pytest.approx(SMALL.think_s, rel=0.15)


def test_people_look_as_often_as_their_seat_is_visited() -> None:
    world = World(SMALL)
    counts = Counter(person.seat for _, person in islice(looks(world), 20_000))
    busiest, quietest = int(world.shares.argmax()), int(world.shares.argmin())
    assert counts[busiest] > 3 * counts[quietest] > 0


def test_who_has_seen_enough_makes_room_between_visits() -> None:
    world = World(WorldSettings(seed=1, n_people=5, n_items=60, stay_lists=3))
    seen = Counter[str]()
    for _, person in islice(looks(world), 300):
        world.look(person, world.catalogue.ids[:10])
        seen[person.user_id] += 1
    assert len(seen) > 20
    gone = [count for user_id, count in seen.items() if user_id not in _ids(world)]
    assert min(gone) >= 3


def _ids(world: World) -> set[str]:
    return {person.user_id for person in world.people}


def test_a_guest_comes_in_visits() -> None:
    world = World(SMALL)
    found = list(islice(looks_of(world, world.guest(0), 500.0), 4000))
    times = [at_s for at_s, _ in found]
    assert times[0] == 500.0
    assert times == sorted(times)
    assert found == list(islice(looks_of(world, world.guest(0), 500.0), 4000))
    begins = [place for place, (_, first) in enumerate(found) if first]
    assert begins[0] == 0
    assert len(found) / len(begins) == pytest.approx(SMALL.mean_rounds, rel=0.1)
    gaps = [times[place] - times[place - 1] for place in begins[1:]]
    expected_s = 3600.0 / SMALL.visits_per_hour + SMALL.think_s
    assert sum(gaps) / len(gaps) == pytest.approx(expected_s, rel=0.1)
