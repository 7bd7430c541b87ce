import numpy as np
import pytest

from benchmarks.quality.popularity import LearnedPopularity, Popularity
from benchmarks.quality.service import LIST, play
from simulators.truth import appeal
from simulators.worlds import World, WorldSettings

SMALL = WorldSettings(seed=7, n_people=10, n_items=40, shift_probability=0.0)


def test_popularity_shows_the_same_again_less_what_was_watched() -> None:
    world = World(SMALL)
    person, ids = world.people[0], world.catalogue.ids
    service = Popularity(range(40), moves_on=False)
    watched = set[int]()
    for _ in range(30):
        left = [row for row in range(40) if row not in watched]
        shown = service.show(world, person, 0.0)
        assert list(shown.items) == [ids[row] for row in left[:LIST]]
        watched.update(world.rows([click.item_id for click in shown.clicks]))
    assert watched


def test_popularity_that_moves_on_shows_all_before_anything_again() -> None:
    world = World(SMALL)
    one, other = world.people[:2]
    service = Popularity(range(39, -1, -1), moves_on=True)
    first = [item for _ in range(4) for item in service.show(world, one, 0.0).items]
    assert first == list(world.catalogue.ids[::-1])
    again = service.show(world, one, 0.0).items
    unwatched = [row for row in range(39, -1, -1) if row not in one.watched]
    assert list(again) == [world.catalogue.ids[row] for row in unwatched[:LIST]]
    assert len(unwatched) < 40
    third = service.show(world, one, 0.0).items
    assert not set(third) & set(again)
    assert service.show(world, other, 0.0).items == list(first[:LIST])


def learned_worth(epsilon: float) -> float:
    """Return the mean true worth of what was shown, as a multiple of all items'."""
    world = World(WorldSettings(seed=7, n_people=10, n_items=40, stay_lists=2))
    truth = appeal(world.catalogue, [world.guest(number) for number in range(300)])
    service = LearnedPopularity(world, epsilon=epsilon, moves_on=False)
    seen, _ = play(service, world, 1500)
    shown = np.zeros(40)
    for _, look in seen[750:]:
        assert len(set(look.items)) == LIST
        shown[world.rows(look.items)] += 1.0
    return float(truth @ shown / shown.sum() / truth.mean())


def test_learned_popularity_finds_what_people_like() -> None:
    assert learned_worth(0.1) > 1.15
    # Where all is chance, hardly anything is chosen.
    assert learned_worth(1.0) == pytest.approx(1.0, abs=0.08)


def test_learned_popularity_never_shows_what_a_person_watched() -> None:
    world = World(SMALL)
    person = world.people[0]
    service = LearnedPopularity(world, epsilon=0.5, moves_on=True)
    for _ in range(40):
        watched = {world.catalogue.ids[row] for row in person.watched}
        assert not watched & set(service.show(world, person, 0.0).items)
    assert person.watched
