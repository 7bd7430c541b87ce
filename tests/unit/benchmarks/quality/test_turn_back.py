from benchmarks.quality.service import LIST, Embedded, Shown, look
from benchmarks.quality.taste_switch import OLD, SETTLED
from benchmarks.quality.turn_back import BACK, measure, there_and_back
from recsys.settings import EngineSettings
from simulators.audience import Person
from simulators.worlds import World, WorldSettings


class Constant:
    """Shows the same items for ever and notes who liked what when they were shown."""

    def __init__(self, world: World) -> None:
        self._items = world.catalogue.ids[:LIST]
        self.favourites = list[int]()
        self.found = list[tuple[int, str]]()

    def click(self, person: Person, at_s: float, item: str) -> None:
        self.found.append((len(self.favourites), item))

    def show(self, world: World, person: Person, at_s: float) -> Shown:
        self.favourites.append(person.favourite)
        return look(world, person, self._items)


def test_a_person_turns_twice_and_finds_nothing_once_they_are_back() -> None:
    world = World(WorldSettings(seed=7, n_people=5, n_items=300))
    service = Constant(world)
    way = there_and_back(service, world, world.guest(0, [OLD]), 0.0)
    assert min(len(way.first), len(way.away)) >= SETTLED
    assert len(way.back) == BACK
    turned = [way.first, way.away, way.back]
    favourites = iter(service.favourites)
    liked = [{next(favourites) for _ in lists} for lists in turned]
    assert liked[0] == liked[2] == {OLD}
    assert len(liked[1]) == 1
    assert liked[1] != {OLD}
    settled = len(way.first) + len(way.away)
    empty = [n for n, one in enumerate((*way.first, *way.away), 1) if not one.clicks]
    assert [number for number, _ in service.found] == empty
    assert max(empty) <= settled
    has = world.catalogue.genres[:, OLD] > 0.0
    assert way.old_items_left < has.sum()


def test_a_small_measure_repeats_itself() -> None:
    one = measure(3, EngineSettings(), warm=50, people=2)
    assert one == measure(3, EngineSettings(), warm=50, people=2)
    assert 0.0 < one["before_of_best"] < 1.0
    assert one["kept"] > 0.0
    assert one["kept"] != one["kept_early"]
    assert one["kept_if_stayed"] > one["kept_early"]
    assert 0.9 < one["best_left"] <= 1.0


def test_people_do_not_meet_what_others_left() -> None:
    world = World(WorldSettings(seed=7, n_people=5, n_items=300))
    service = Embedded.open(world.catalogue, EngineSettings())
    before = service.engine.fingerprint()
    there_and_back(service.copy(), world, world.guest(0, [OLD]), 0.0)
    assert service.engine.fingerprint() == before
