import numpy as np
import pytest

from simulators import offline
from simulators.click_models import REPEAT
from simulators.truth import appeal, expected_clicks, personal_rates
from simulators.worlds import World, WorldSettings

SMALL = WorldSettings(seed=7, n_people=40, n_items=60)


def test_expected_clicks_add_up_over_the_list() -> None:
    world = World(SMALL)
    person, items = world.people[3], world.catalogue.ids[20:30]
    chances = [world.expected_click(person.user_id, i, r) for r, i in enumerate(items, start=1)]
    assert expected_clicks(world, person, items) == pytest.approx(sum(chances))
    assert expected_clicks(world, person, []) == 0.0
    best = offline.oracle(world, person, 10)
    assert expected_clicks(world, person, best) == pytest.approx(
        10 * personal_rates(world, person, 10)[0]
    )
    with pytest.raises(KeyError):
        expected_clicks(world, person, ["not ours"])


def test_appeal_is_the_mean_of_what_people_want_before_they_watched_anything() -> None:
    world = World(SMALL)
    wanted = np.mean([world.wanted(person) for person in world.people], axis=0)
    for person in world.people:
        person.watched.update(range(30))
    worth = appeal(world.catalogue, world.people)
    assert worth == pytest.approx(wanted)
    watched = np.mean([world.wanted(person) for person in world.people], axis=0)
    assert watched[:30] == pytest.approx(REPEAT * worth[:30])
