"""What a snapshot contains of other shards leaves the log after a while."""

from recsys.engine import Engine
from recsys.tombstones import Tombstone
from tests.mixing import KEY, SETTINGS, Fleet


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
