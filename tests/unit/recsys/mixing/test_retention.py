"""What a snapshot contains of other shards leaves the log after a while."""

from recsys.engine import Engine
from recsys.mixing.cut import Contribution
from recsys.mixing.events import Mixed
from recsys.settings import MixSettings
from recsys.tombstones import Tombstone
from tests.mixing import KEY, SETTINGS, Fleet

PEOPLE = [f"u{number}" for number in range(9)]


def test_the_log_does_not_keep_what_others_taught_for_ever() -> None:
    mix = SETTINGS.mix.model_copy(update={"keep_s": 5.0})
    fleet = Fleet(2, SETTINGS.model_copy(update={"mix": mix}))
    for step in range(40):
        fleet.find(f"u{step % 7}", step % 12)
        fleet.mix()
    engine, store = fleet.engines["s0"], fleet.stores["s0"]
    assert engine.mix.contained(store.snapshot_sequence) == []
    engine.snapshot()
    gone = engine.mix.contained(store.snapshot_sequence)
    assert gone
    store.bury(gone, "contained")
    # Where the store had failed, it would be named again; where it had not, it changes nothing.
    store.bury(engine.mix.contained(store.snapshot_sequence), "contained")
    log = dict(store.read(after=0))
    assert all(isinstance(log[sequence], Tombstone) for sequence in gone)
    before = engine.fingerprint()
    fleet.crash("s0")
    assert fleet.engines["s0"].fingerprint() == before
    fleet.find("u0", 3)
    fleet.mix()
    fleet.mix()
    for one in fleet.engines.values():
        assert one.state.counts.liked.sum() == fleet.whole.state.counts.liked.sum()


def test_a_state_that_is_made_again_without_them_goes_on() -> None:
    mix = SETTINGS.mix.model_copy(update={"keep_s": 5.0})
    settings = SETTINGS.model_copy(update={"mix": mix})
    fleet = Fleet(2, settings)
    for step in range(30):
        fleet.find(f"u{step % 7}", step % 12)
        fleet.mix()
    engine, store = fleet.engines["s0"], fleet.stores["s0"]
    engine.snapshot()
    gone = engine.mix.contained(store.snapshot_sequence)
    store.bury(gone, "contained", afresh=True)
    again = Engine(store, settings, KEY)
    assert again.stats().quarantined == 0
    # It lacks what was in them, and knows so: what follows is learned as before.
    assert 0 < again.state.counts.liked.sum() < engine.state.counts.liked.sum()
    assert again.mix.position.vector == engine.mix.position.vector
    # Whoever else told what is gone, a base of it would lack that.
    assert again.mix.position.missed == {"": len(gone)}
    fleet.engines["s0"] = again
    other = fleet.engines["s1"]
    for engine in fleet.engines.values():
        fleet.mixer.hear(engine.mix.position)
    fleet.mixer.take("s0", [Contribution("s0", 10**6, 10**6 + 1, b"x")])
    assert fleet.mixer.needs_base("s1") is None
    [gap, piece] = fleet.mixer.serving("s1", 9).lessons
    assert (gap.after, gap.upto, gap.record) == (other.mix.position.vector["s0"], 10**6, b"")
    assert piece.after == gap.upto
    [refused] = other.mix.rebased("s0", again.mix.base())
    other.apply([refused])
    assert other.stats().failed == 1


def test_the_log_says_for_ever_since_when_it_was_told_from() -> None:
    fleet = Fleet(2, SETTINGS.model_copy(update={"mix": MixSettings(slice=5, keep_s=5.0)}))
    for step in range(4):
        for name in fleet.engines:
            fleet.find(next(u for u in PEOPLE if fleet.owner(u) == name), step)
        fleet.mix()
    for name, engine in fleet.engines.items():
        engine.snapshot()
        store = fleet.stores[name]
        gone = engine.mix.contained(store.snapshot_sequence)
        kinds = {type(event) for sequence, event in store.read(after=0) if sequence in gone}
        # The event by which it began is as old as these.
        assert kinds == {Mixed}


def test_a_log_that_no_longer_says_when_it_began_to_mix_was_told_from_since() -> None:
    for before in (0, 3):
        fleet = Fleet(1, mixing=False)
        for item in range(before):
            fleet.find("u0", item)
        engine, store = fleet.engines["s0"], fleet.stores["s0"]
        begun = engine.mix.begin("s0")
        assert begun is not None
        [append] = engine.apply([begun])
        for item in range(3, 9):
            fleet.find("u0", item)
        engine.snapshot()
        # As versions did that let it go.
        store.bury([append.sequence], "contained", afresh=True)
        for _ in range(2):
            engine = Engine(store.reopened(), SETTINGS, KEY)
            assert engine.mix.position.shard == ""
            engine.snapshot()
            begun = engine.mix.begin("s0")
            assert begun is not None
            engine.apply([begun])
            assert engine.mix.position.untold == bool(before)
