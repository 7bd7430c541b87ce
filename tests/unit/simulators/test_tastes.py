"""Who likes what, when it is said among which genres."""

from itertools import islice

import numpy as np
import pytest

from simulators.audience import EVERY_GENRE, Person
from simulators.catalogue import GENRES
from simulators.worlds import World, WorldSettings

CRIME, FAMILY = GENRES.index("crime"), GENRES.index("family_drama")
SMALL = WorldSettings(seed=7, n_people=40, n_items=60)


def strongest_two(person: Person) -> set[int]:
    return set(np.argsort(-person.tastes)[:2].tolist())


def test_everybody_has_the_favourites_that_the_world_allows() -> None:
    among = (1, 4, 6)
    world = World(WorldSettings(seed=7, n_people=40, n_items=60, among=among, stay_lists=2))
    for _, seat in islice(world.arrivals(), 300):
        person = world.visit(seat).person
        world.look(person, world.catalogue.ids)
        world.look(person, world.catalogue.ids)
    assert sum(person.generation for person in world.people) > 100
    everybody = [*world.people, *(world.guest(number) for number in range(40))]
    assert all(strongest_two(person) <= set(among) for person in everybody)
    assert {person.favourite for person in everybody} == set(among)


def test_to_choose_among_all_genres_is_to_choose_as_ever() -> None:
    one, other = Person(1, 2, 3), Person(1, 2, 3, EVERY_GENRE)
    assert np.array_equal(one.tastes, other.tastes)
    narrow = Person(1, 2, 3, (0, 5))
    # Other tastes, but the same person: as impatient, and with the same luck.
    assert (one.eta, one.mainstream) == (narrow.eta, narrow.mainstream)
    assert one.rng.random() == narrow.rng.random()


def test_who_turns_to_one_genre_likes_no_other() -> None:
    world = World(SMALL)
    person = world.guest(0, [CRIME])
    assert person.favourite == CRIME
    person.turn_to([FAMILY])
    assert (person.favourite, person.shifts) == (FAMILY, 1)
    assert np.delete(person.tastes, FAMILY).max() < 0.2
    wanted = world.wanted(person)
    has = world.catalogue.genres > 0.0
    family, crime = has[:, FAMILY], has[:, CRIME] & ~has[:, FAMILY]
    assert wanted[family].mean() > 3.0 * wanted[crime].mean()


def test_a_shift_goes_to_what_is_allowed_as_long_as_there_is_any() -> None:
    person = Person(1, 2, 0, (1, 4, 6))
    for _ in range(10):
        favourite, second = np.argsort(-person.tastes)[:2].tolist()
        person.shift()
        assert person.favourite == ({1, 4, 6} - {favourite, second}).pop()
    alone = Person(1, 2, 0, (CRIME,))
    alone.shift()
    assert alone.favourite != CRIME


def test_people_find_what_they_like_until_there_is_nothing_left() -> None:
    world = World(SMALL)
    person = world.guest(0, [CRIME])
    rows = np.flatnonzero(world.catalogue.genres[:, CRIME] > 0.0)
    found = [world.search(person) for _ in rows]
    assert sorted(filter(None, found)) == [world.catalogue.ids[row] for row in rows]
    assert person.watched == set(rows.tolist())
    assert world.search(person) is None


def test_a_guest_is_the_same_person_every_time_and_nobody_of_the_world() -> None:
    world = World(SMALL)
    one, again, other = world.guest(0), world.guest(0), world.guest(1)
    assert one.user_id == again.user_id != other.user_id
    assert one.user_id not in {person.user_id for person in world.people}
    items = world.catalogue.ids
    assert [world.look(one, items) for _ in range(5)] == [
        world.look(again, items) for _ in range(5)
    ]


def test_a_renewed_seat_has_somebody_new() -> None:
    world = World(SMALL)
    former = world.people[3]
    newcomer = world.renew(3)
    assert world.people[3] is newcomer
    assert (newcomer.seat, newcomer.generation, newcomer.lists) == (3, 1, 0)
    assert world.expected_click(newcomer.user_id, world.catalogue.ids[0], 1) > 0.0
    with pytest.raises(KeyError):
        world.expected_click(former.user_id, world.catalogue.ids[0], 1)


def test_nobody_leaves_a_world_without_a_limit() -> None:
    world = World(WorldSettings(seed=7, n_people=3, n_items=60, stay_lists=None))
    before = list(world.people)
    for _ in range(100):
        world.look(world.visit(1).person, world.catalogue.ids)
    assert world.people == before


def test_two_crowds_look_at_the_same_items() -> None:
    one = World(SMALL)
    other = World(WorldSettings(seed=8, n_people=40, n_items=60), one.catalogue)
    assert other.catalogue is one.catalogue
    assert not {p.user_id for p in one.people} & {p.user_id for p in other.people}
    assert other.look(other.people[0], one.catalogue.ids * 20)


def test_streams_are_other_arrivals() -> None:
    world = World(SMALL)
    assert list(islice(world.arrivals(), 20)) == list(islice(world.arrivals(0), 20))
    assert list(islice(world.arrivals(1), 20)) != list(islice(world.arrivals(2), 20))
