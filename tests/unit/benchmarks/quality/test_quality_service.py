import pytest

from benchmarks.quality.service import LIST, Embedded, look, play
from recsys.settings import EngineSettings
from simulators import offline
from simulators.truth import expected_clicks
from simulators.worlds import World, WorldSettings

SMALL = WorldSettings(seed=7, n_people=10, n_items=60)


def served(n_lists: int = 60) -> tuple[World, Embedded]:
    world = World(SMALL)
    service = Embedded.open(world.catalogue, EngineSettings())
    play(service, world, n_lists)
    return world, service


def test_what_people_do_is_what_the_engine_learns() -> None:
    world = World(SMALL)
    service = Embedded.open(world.catalogue, EngineSettings())
    seen, last_s = play(service, world, 60, from_s=1000.0)
    stats = service.engine.stats()
    clicks = sum(len(shown.clicks) for _, shown in seen)
    assert clicks > 5
    assert stats.feedback == {"click": clicks, "dwell": clicks}
    assert (stats.arms["learner"].decisions, stats.arms["learner"].shown) == (60, 60 * LIST)
    assert (stats.arms["learner"].clicks, stats.unmatched, stats.failed) == (clicks, 0, 0)
    assert stats.items == SMALL.n_items
    person, shown = seen[-1]
    view = service.engine.user(person.user_id)
    assert view is not None
    assert last_s > 1000.0
    # Event time is the world's, from the start of 2025.
    assert view.last_seen_ms == 1735689600000 + round(last_s * 1000.0)
    for click in shown.clicks:
        assert shown.items[click.rank - 1] == click.item_id


def test_one_seed_makes_one_run() -> None:
    _, one = served()
    _, other = served()
    assert one.engine.fingerprint() == other.engine.fingerprint()


def test_a_copy_has_learned_the_same_and_then_goes_its_own_way() -> None:
    world, service = served()
    before = service.engine.fingerprint()
    copy = service.copy()
    assert copy.engine.fingerprint() == before
    guest, again = world.guest(0), world.guest(0)
    shown = [copy.show(world, guest, 9000.0 + number).items for number in range(5)]
    assert copy.engine.fingerprint() != before
    assert service.engine.fingerprint() == before
    other = service.copy()
    assert [other.show(world, again, 9000.0 + number).items for number in range(5)] == shown


def test_a_look_says_what_was_to_be_expected_before_it() -> None:
    world = World(SMALL)
    person = world.people[0]
    items = offline.oracle(world, person, LIST)
    expected = expected_clicks(world, person, items)
    shown = look(world, person, items)
    assert shown.expected == shown.best == pytest.approx(expected)
    while not look(world, person, items).clicks:
        pass
    assert look(world, person, items).expected < expected
    assert look(world, person, world.catalogue.ids[:LIST]).expected < shown.best


def test_candidates_are_all_ranked() -> None:
    world, service = served(20)
    decision = service.ask(world.guest(0), 5000.0, world.catalogue.ids)
    assert {slot.item_id for slot in decision.slots} == set(world.catalogue.ids)
