"""What one shard alone knows is in no base: because it never told it, or because it was missed."""

from pathlib import Path

import msgspec
import pytest

from recsys.engine import Engine
from recsys.mixing.events import Mixing, Rebased
from recsys.mixing.ledger import Ledger
from recsys.mixing.lessons import TasteSums
from recsys.mixing.mixer import Mixer
from recsys.store.memory import MemoryStore
from tests.mixing import KEY, SETTINGS, Fleet, items_of, live, without

GOLDEN = Path(__file__).parents[3] / "golden"


def old(shards: int) -> Fleet:
    """Return shards whose people did something before anybody mixed: each found its own item."""
    fleet = Fleet(shards, mixing=False)
    for number in range(60):
        find(fleet, f"s{number % shards}", number % shards)
    return fleet


def find(fleet: Fleet, name: str, item: int, n: int = 1) -> None:
    """Let somebody of a shard find an item, and others as well."""
    strangers = (f"u{number}" for number in range(1000 * fleet.steps, 10**9))
    for _ in range(n):
        fleet.find(next(user for user in strangers if fleet.owner(user) == name), item)


def liked(fleet: Fleet, item: int) -> list[float]:
    """Return how often each shard knows an item to be liked."""
    found = list[float]()
    for engine in fleet.engines.values():
        place = engine.state.catalogue.index(f"i{item}")
        assert place is not None
        found.append(float(engine.state.counts.liked[place]))
    return found


def let_go(fleet: Fleet, name: str) -> None:
    """Have the mixer give up what a shard has seen until now, as after hours."""
    engine, mixer = fleet.engines[name], fleet.mixer
    mixer.hear(engine.mix.position)
    cut = engine.mix.cut(mixer.ask(name).after)
    assert cut is not None
    mixer.take(name, cut.seal(5))
    line = mixer._lines[name]  # noqa: SLF001
    while len(line):
        line.drop_first()


def bases_of(fleet: Fleet, name: str) -> int:
    return sum(isinstance(event, Rebased) for _, event in fleet.stores[name].read(after=0))


def test_who_missed_too_much_still_knows_what_it_never_told() -> None:
    fleet = old(3)
    fleet.mix()
    assert liked(fleet, 1) == [0.0, 20.0, 0.0]
    without(fleet, "s1", 3)
    fleet.mix()
    fleet.mix()
    assert liked(fleet, 1)[1] >= 20.0
    position = fleet.engines["s1"].mix.position
    assert position.untold
    assert position.missed == {"s0": 1, "s2": 1}
    assert fleet.mixer.outlook.missed == 2
    assert (position.refused, bases_of(fleet, "s1")) == (0, 0)
    # From there on it learns as before.
    known = liked(fleet, 7)
    for name in fleet.engines:
        find(fleet, name, 7)
    fleet.mix()
    assert liked(fleet, 7) == [times + 3 for times in known]
    fleet.mix()
    assert fleet.engines["s1"].mix.position.missed == {"s0": 1, "s2": 1}
    before = fleet.engines["s1"].fingerprint()
    fleet.crash("s1")
    assert fleet.engines["s1"].fingerprint() == before


def test_a_base_for_who_knows_what_it_never_told_changes_nothing() -> None:
    fleet = old(2)
    fleet.mix()
    donor, receiver = fleet.engines.values()
    [part] = donor.mix.base()
    before = receiver.state.parts()
    receiver.apply(receiver.mix.rebased("s0", [part[:100], part[100:]]))
    assert receiver.mix.position.refused == 2
    after = receiver.state.parts()
    assert {name for name in after if after[name] != before[name]} == {"counters", "mixing"}
    assert receiver.stats().failed == 0


def test_who_never_told_something_gives_a_base_when_nobody_else_can() -> None:
    fleet = Fleet(2, mixing=False)
    find(fleet, "s0", 1, n=5)
    fleet.mix()
    assert [one.mix.position.untold for one in fleet.engines.values()] == [True, False]
    find(fleet, "s0", 2, n=3)
    let_go(fleet, "s0")
    find(fleet, "s1", 3, n=2)
    fleet.mix()
    fleet.mix()
    assert bases_of(fleet, "s1") == 1
    # One shard more knows it now, and the donor is as it was.
    assert [liked(fleet, item) for item in (1, 2, 3)] == [[5.0, 5.0], [3.0, 3.0], [2.0, 2.0]]
    assert [one.mix.position.untold for one in fleet.engines.values()] == [True, False]


def test_nobody_gets_a_base_from_who_missed_some_of_what_it_has_seen() -> None:
    fleet = Fleet(2, mixing=False)
    find(fleet, "s0", 1)
    fleet.mix()
    find(fleet, "s1", 2, n=3)
    let_go(fleet, "s1")
    fleet.mix()
    assert fleet.engines["s0"].mix.position.missed == {"s1": 1}
    find(fleet, "s0", 4, n=2)
    let_go(fleet, "s0")
    fleet.mix()
    # Its own people's likes would be gone, and there is nobody else to ask.
    assert liked(fleet, 2) == [0.0, 3.0]
    assert fleet.engines["s1"].mix.position.missed == {"s0": 1}
    assert [bases_of(fleet, name) for name in fleet.engines] == [0, 0]
    find(fleet, "s0", 5)
    find(fleet, "s1", 5)
    fleet.mix()
    assert liked(fleet, 5) == [2.0, 2.0]
    base = fleet.engines["s0"].mix.base()
    fleet.engines["s1"].apply(fleet.engines["s1"].mix.rebased("s0", base))
    assert fleet.engines["s1"].stats().failed == 1
    assert liked(fleet, 2) == [0.0, 3.0]


def test_what_a_donor_has_missed_goes_with_its_base() -> None:
    fleet = Fleet(3, mixing=False)
    find(fleet, "s0", 1)
    fleet.mix()
    find(fleet, "s1", 2)
    let_go(fleet, "s1")
    fleet.mix()
    donor, receiver = fleet.engines["s0"], fleet.engines["s2"]
    assert donor.mix.position.missed == {"s1": 1}
    receiver.apply(receiver.mix.rebased("s0", donor.mix.base()))
    assert receiver.mix.position.missed == {"s1": 1}
    # Who has missed nothing makes up for it.
    receiver.apply(receiver.mix.rebased("s1", fleet.engines["s1"].mix.base()))
    assert receiver.mix.position.missed == {}
    assert (receiver.mix.position.refused, receiver.stats().failed) == (0, 0)


def engine_of(store: MemoryStore) -> Engine:
    return Engine(store, SETTINGS, KEY)


def begun(engine: Engine, name: str) -> Engine:
    event = engine.mix.begin(name)
    assert event is not None
    engine.apply([event])
    return engine


def test_who_knew_only_items_has_told_all_it_knows() -> None:
    engine = engine_of(MemoryStore())
    engine.apply(items_of(0))
    assert not begun(engine, "a").mix.position.untold


def test_a_copy_never_told_what_its_former_self_did_not() -> None:
    store = old(1).stores["s0"]
    copy = begun(begun(engine_of(store.reopened()), "a"), "b")
    assert copy.mix.position.untold
    whole = begun(begun(engine_of(MemoryStore()), "a"), "b")
    assert not whole.mix.position.untold


def test_what_is_learned_between_two_times_of_mixing_is_never_told() -> None:
    engine = begun(engine_of(MemoryStore()), "a")
    engine.apply([Mixing(event_id="stop", ts_ms=5, shard="")])
    assert begun(engine, "a").mix.position.untold


@pytest.mark.parametrize("snapshot", [False, True])
def test_it_is_known_after_a_crash(snapshot: bool) -> None:
    fleet = old(1)
    engine = begun(fleet.engines["s0"], "s0")
    if snapshot:
        engine.snapshot()
    fleet.crash("s0")
    assert fleet.engines["s0"].mix.position.untold


def test_who_began_to_mix_before_this_was_written_down_keeps_what_it_has() -> None:
    ledger = Ledger(bound=100, keep_ms=1000.0)
    ledger.restore((GOLDEN / "ledger.record").read_bytes())
    assert (ledger.shard, ledger.released, ledger.vector) == ("shard-0", 7, {"shard-1": 9})
    assert ledger.tastes == {"shard-1": TasteSums(1.5, 7, 0.25, {"genre": (0.5, 2.5)})}
    assert (ledger.waiting, ledger.records, ledger.missed) == (3, [(8, 400)], {})
    assert ledger.untold


def test_a_log_that_lost_its_end_is_waited_for() -> None:
    fleet = old(2)
    fleet.mix()
    for name in fleet.engines:
        find(fleet, name, 5, n=3)
    fleet.mix()
    mixer = Mixer(1 << 20, 1000.0)
    position = fleet.engines["s0"].mix.position
    ahead = msgspec.structs.replace(position, vector={"s1": 10**6})
    for one in (ahead, fleet.engines["s1"].mix.position):
        mixer.hear(one)
    cut = fleet.engines["s1"].mix.cut(0)
    assert cut is not None
    mixer.take("s1", cut.seal(5))
    assert mixer.serving("s0", 9).lessons == []
    assert mixer.needs_base("s0") is None


def test_people_live_on_while_all_shards_know_something_of_their_own() -> None:
    fleet = old(3)
    for seed in range(4):
        live(fleet, 20, seed)
        fleet.mix()
    assert all(one.mix.position.missed == {} for one in fleet.engines.values())
