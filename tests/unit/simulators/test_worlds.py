from itertools import islice

import numpy as np
import pytest

from simulators import offline
from simulators.audience import Person
from simulators.catalogue import GENRES
from simulators.click_models import REPEAT, examined
from simulators.truth import best_popular, click_rates, personal_rates
from simulators.worlds import Click, World, WorldSettings

SMALL = WorldSettings(seed=7, n_people=40, n_items=60)


def favourites(world: World, person: Person) -> list[str]:
    """Return the items whose first genre is the person's favourite."""
    rows = np.flatnonzero(world.catalogue.genres.argmax(axis=1) == person.favourite)
    return [world.catalogue.ids[row] for row in rows]


def clicks_of(world: World, n_visits: int) -> list[list[Click]]:
    seen = []
    for _, seat in islice(world.arrivals(), n_visits):
        visit = world.visit(seat)
        seen += [world.look(visit.person, world.catalogue.ids[:10]) for _ in range(visit.rounds)]
    return seen


def test_one_seed_makes_one_world() -> None:
    one, two, other = World(SMALL), World(SMALL), World(WorldSettings(8, 40, 60))
    assert one.catalogue.attributes == two.catalogue.attributes
    assert one.catalogue.attributes != other.catalogue.attributes
    assert np.array_equal(one.catalogue.quality, two.catalogue.quality)
    assert list(islice(one.arrivals(), 50)) == list(islice(two.arrivals(), 50))
    assert [p.favourite for p in one.people] != [p.favourite for p in other.people]
    assert clicks_of(one, 100) == clicks_of(two, 100) != clicks_of(other, 100)


def test_what_one_person_does_does_not_depend_on_the_others() -> None:
    alone, among = World(SMALL), World(SMALL)
    items = alone.catalogue.ids[:10]
    expected = [alone.look(alone.visit(3).person, items) for _ in range(20)]
    seen = []
    for _ in range(20):
        among.look(among.visit(5).person, items)
        seen.append(among.look(among.visit(3).person, items))
    assert seen == expected
    assert any(expected)


def test_items_are_what_the_server_is_told() -> None:
    catalogue = World(SMALL).catalogue
    assert np.allclose(catalogue.genres.sum(axis=1), 1.0)
    assert len(set(catalogue.ids)) == SMALL.n_items
    for row, attributes in enumerate(catalogue.attributes):
        genres = attributes["genres"]
        assert isinstance(genres, list)
        assert 1 <= len(genres) <= 3
        assert genres[0] == GENRES[int(catalogue.genres[row].argmax())]
        assert attributes["type"] in {"film", "series"}
        assert isinstance(attributes["year"], float)
        assert isinstance(attributes["language"], str)
    assert catalogue.popularity.max() == 1.0
    assert catalogue.popularity.min() > 0.0


def test_arrivals_are_a_poisson_process_over_zipf_people() -> None:
    world = World(SMALL)
    arrivals = list(islice(world.arrivals(), 20_000))
    times = np.array([at_s for at_s, _ in arrivals])
    gaps = np.diff(times)
    expected_s = 3600.0 / (SMALL.visits_per_hour * SMALL.n_people)
    assert gaps.min() > 0.0
    assert gaps.mean() == pytest.approx(expected_s, rel=0.03)
    assert gaps.std() == pytest.approx(expected_s, rel=0.05)
    seats = np.bincount([seat for _, seat in arrivals], minlength=SMALL.n_people)
    assert np.abs(seats / len(arrivals) - world.shares).max() < 0.01
    assert world.shares.max() / world.shares.min() == pytest.approx(SMALL.n_people**0.5)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_there_is_something_to_learn(seed: int) -> None:
    rates = click_rates(World(WorldSettings(seed=seed)))
    assert rates.oracle >= 5.0 * rates.random
    assert rates.oracle >= 2.5 * rates.popularity
    assert rates.popularity > 1.5 * rates.random
    assert 0.15 <= rates.oracle <= 0.30


def test_played_visits_agree_with_the_truth() -> None:
    settings = WorldSettings(seed=1, stay_lists=10**9, shift_probability=0.0)
    world = World(settings)
    expected = click_rates(world)
    played = offline.play(world, offline.oracle, 300)
    assert 0.75 * expected.oracle < played.click_rate < 1.05 * expected.oracle
    world = World(settings)
    assert offline.play(world, offline.random(world), 1000).click_rate == pytest.approx(
        expected.random, rel=0.1
    )


def test_knowing_people_pays_over_whole_visits() -> None:
    def rate(name: str) -> float:
        world = World(WorldSettings(seed=2))
        rankers = {
            "oracle": offline.oracle,
            "popularity": offline.popularity(world),
            "random": offline.random(world),
        }
        return offline.play(world, rankers[name], 1500).click_rate

    assert rate("oracle") > 2.5 * rate("popularity") > 2.5 * rate("random")


def test_expected_click_is_the_frequency_of_clicks() -> None:
    world = World(SMALL)
    person = world.people[0]
    shown = favourites(world, person)[:5]
    expected = [world.expected_click(person.user_id, i, r) for r, i in enumerate(shown, start=1)]
    counts = np.zeros(len(shown))
    n_looks = 4000
    for _ in range(n_looks):
        for click in world.look(person, shown):
            counts[click.rank - 1] += 1
        person.watched.clear()
    assert counts / n_looks == pytest.approx(np.array(expected), abs=0.03)
    assert counts.min() > 0


def test_position_bias_falls_as_a_power_of_the_rank() -> None:
    looked = examined(10, 0.7)
    assert looked[0] == 1.0
    assert np.all(np.diff(looked) < 0.0)
    assert looked[7] / looked[3] == pytest.approx(looked[3] / looked[1])
    assert np.all(examined(10, 0.9)[1:] < examined(10, 0.4)[1:])
    world = World(SMALL)
    person, item = world.people[0], world.catalogue.ids[0]
    first, fifth = (world.expected_click(person.user_id, item, rank) for rank in (1, 5))
    assert fifth / first == pytest.approx(5.0**-person.eta)


def test_a_shift_turns_clicks_to_other_items() -> None:
    world = World(SMALL)
    person = world.people[0]
    old_genre, old_items = person.favourite, favourites(world, person)
    before = [world.expected_click(person.user_id, item, 1) for item in old_items]
    person.shift()
    after = [world.expected_click(person.user_id, item, 1) for item in old_items]
    new_items = favourites(world, person)
    now = [world.expected_click(person.user_id, item, 1) for item in new_items]
    assert person.favourite != old_genre
    assert not set(old_items) & set(new_items)
    assert np.mean(after) < 0.4 * np.mean(before)
    assert np.mean(now) > 0.6 * np.mean(before)


def test_a_switch_makes_what_was_best_bad() -> None:
    world = World(WorldSettings(seed=1))
    before = {person.user_id: offline.oracle(world, person, 10) for person in world.people}
    oracle = click_rates(world).oracle
    world.switch()

    def stale(world: World, person: Person, n: int) -> list[str]:
        return list(before[person.user_id])[:n]

    assert click_rates(world).oracle > 0.8 * oracle
    assert all(person.shifts == 1 for person in world.people)
    assert offline.play(world, stale, 100).click_rate < 0.6 * oracle


def test_tastes_shift_with_the_given_probability() -> None:
    world = World(WorldSettings(seed=1, n_people=10, shift_probability=0.2))
    for _ in range(200):
        for seat in range(10):
            world.visit(seat)
    assert sum(person.shifts for person in world.people) == pytest.approx(400, rel=0.15)


def test_what_was_watched_is_hardly_clicked_again() -> None:
    world = World(SMALL)
    person = world.people[0]
    item = favourites(world, person)[0]
    before = world.expected_click(person.user_id, item, 1)
    while not world.look(person, [item]):
        assert not person.watched
    assert world.expected_click(person.user_id, item, 1) == pytest.approx(REPEAT * before)


def test_who_has_seen_enough_lists_makes_room() -> None:
    world = World(WorldSettings(seed=1, n_people=5, n_items=60, stay_lists=3))
    first = world.people[0]
    for _ in range(3):
        assert world.visit(0).person is first
        world.look(first, world.catalogue.ids)
    second = world.visit(0).person
    assert second.user_id != first.user_id
    assert (second.seat, second.generation, second.watched) == (0, 1, set())
    assert world.expected_click(second.user_id, world.catalogue.ids[0], 1) > 0.0
    with pytest.raises(KeyError):
        world.expected_click(first.user_id, world.catalogue.ids[0], 1)


def test_foreign_items_are_not_clicked() -> None:
    world = World(SMALL)
    assert world.look(world.people[0], ["not ours"] * 50) == []
    with pytest.raises(KeyError):
        world.expected_click(world.people[0].user_id, "not ours", 1)


def test_clicks_come_with_rank_and_dwell() -> None:
    clicks = [click for round_ in clicks_of(World(SMALL), 200) for click in round_]
    assert all(1 <= click.rank <= 10 and 1.0 < click.dwell_s < 1000.0 for click in clicks)
    ids = World(SMALL).catalogue.ids
    assert all(ids[click.rank - 1] == click.item_id for click in clicks)
    assert clicks


def test_the_popular_list_is_the_best_list_for_all() -> None:
    world = World(SMALL)
    best = click_rates(world, 5).popularity
    popular = best_popular(world, 5)
    assert len(set(popular)) == 5
    rng = np.random.default_rng(1)
    for _ in range(50):
        other = list(rng.choice(world.catalogue.ids, 5, replace=False))
        rate = sum(
            share * world.expected_click(person.user_id, item, rank) / 5
            for person, share in zip(world.people, world.shares, strict=True)
            for rank, item in enumerate(other, start=1)
        )
        assert rate < best


def test_personal_rates_are_those_of_the_best_and_of_any_list() -> None:
    world = World(SMALL)
    person = world.people[3]
    best, uniform = personal_rates(world, person, 4)
    ranked = offline.oracle(world, person, 4)
    expected = [world.expected_click(person.user_id, i, r) for r, i in enumerate(ranked, start=1)]
    assert best == pytest.approx(np.mean(expected))
    everywhere = [
        world.expected_click(person.user_id, item, rank)
        for item in world.catalogue.ids
        for rank in range(1, 5)
    ]
    assert uniform == pytest.approx(np.mean(everywhere))
