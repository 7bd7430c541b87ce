import pytest

from benchmarks.quality.return_to_taste import Plan, kept, measure, returns
from benchmarks.quality.service import Embedded, Shown, play
from recsys.settings import EngineSettings
from simulators.audience import Person
from simulators.worlds import World, WorldSettings

SMALL = WorldSettings(seed=7, n_people=10, n_items=60)


def test_returns_are_the_same_for_another_engine_and_leave_nothing_behind() -> None:
    world = World(SMALL)
    service = Embedded.open(world.catalogue, EngineSettings())
    play(service, world, 80)
    left, watched = service.engine.fingerprint(), [set(one.watched) for one in world.people]
    people = {person.user_id for person in world.people}
    plan = Plan(window=40, crowds=3)
    before = returns(service, world, plan, 5000.0, silent=True)
    assert service.engine.fingerprint() == left
    assert [one.watched for one in world.people] == watched
    fresh = Embedded.open(world.catalogue, EngineSettings())
    after = returns(fresh, world, plan, 9000.0, silent=True)
    who = [[person.user_id for person, _ in seen] for seen in before]
    assert [[person.user_id for person, _ in seen] for seen in after] == who
    assert len({tuple(ids) for ids in who}) == 3
    for ids in who:
        assert 0.2 < sum(user_id in people for user_id in ids) / len(ids) < 0.8
    # The best lists of the first look are the same: the crowd is as it was.
    assert [seen[0][1].best for seen in before] == [seen[0][1].best for seen in after]
    assert [seen[0][1].items for seen in before] != [seen[0][1].items for seen in after]


def test_newcomers_find_one_item_before_their_first_list() -> None:
    world = World(SMALL)
    service = Embedded.open(world.catalogue, EngineSettings())
    play(service, world, 80)
    plan = Plan(window=40, crowds=2)
    for silent in (True, False):
        for seen in returns(service, world, plan, 5000.0, silent=silent):
            newcomers = {person.user_id: person for person, _ in seen if person.generation}
            assert newcomers
            for user_id, newcomer in newcomers.items():
                # What they found counts as watched, beside what they clicked on.
                watched = {world.catalogue.ids[row] for row in newcomer.watched}
                looks = [shown for person, shown in seen if person.user_id == user_id]
                clicked = {click.item_id for shown in looks for click in shown.clicks}
                assert len(watched - clicked) == (0 if silent else 1)


def test_what_is_kept_is_a_share_of_the_click_rates_of_those_who_count() -> None:
    ann, bob = Person(1, 0, 0), Person(1, 1, 0)

    def look(person: Person, expected: float) -> tuple[Person, Shown]:
        return person, Shown((), (), expected, 9.0)

    before = [[look(ann, 1.0), look(bob, 4.0)], [look(ann, 3.0)]]
    after = [[look(ann, 1.0), look(bob, 1.0)], [look(bob, 1.0)]]
    assert kept(before, after, {ann.user_id}) == pytest.approx(0.5)
    assert kept(before, after, {bob.user_id}) == pytest.approx(0.25)
    assert kept(before, after, {ann.user_id, bob.user_id}) == pytest.approx(3 / 8)


def test_a_small_measure_has_both_variants_and_repeats_itself() -> None:
    plan = Plan(a_lists=30, b_lists=30, window=10, crowds=1)
    one = measure(3, EngineSettings(), plan)
    assert one == measure(3, EngineSettings(), plan)
    for ranker in ("", "vw_"):
        assert (
            one[f"{ranker}gain"]
            == one[f"{ranker}kept_with_replay"] - one[f"{ranker}kept_without_replay"]
        )
        assert one[f"{ranker}kept_with_replay"] != one[f"{ranker}kept_without_replay"]
    assert one["kept_with_replay"] != one["vw_kept_with_replay"]
    assert one["kept_with_replay"] != one["kept_silent_with_replay"]
    assert 0.0 < one["b_of_best_with_replay"] < 1.0
