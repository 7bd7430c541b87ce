"""A shard that missed too much gets all that another one knows of items."""

import numpy as np
import pytest

from recsys.candidates.factors import Factors
from recsys.engine import Engine
from recsys.mixing.events import Rebased
from tests.mixing import SETTINGS, Fleet, known_of, live, without


def test_who_was_dead_for_long_comes_back_through_a_base() -> None:
    fleet = Fleet(3)
    live(fleet, 40, 1)
    fleet.mix()
    without(fleet, "s1", 3)
    # What its own people did meanwhile, nobody else has seen.
    assert fleet.engines["s1"].mix.position.waiting > 0
    fleet.mixer.hear(fleet.engines["s1"].mix.position)
    assert fleet.mixer.needs_base("s1") in {"s0", "s2"}
    fleet.mix()
    fleet.mix()
    expected = known_of(fleet.whole.state, fleet.now_ms())
    for name, engine in fleet.engines.items():
        found = known_of(engine.state, fleet.now_ms())
        for what, values in expected.items():
            np.testing.assert_allclose(found[what], values, rtol=1e-4, atol=1e-5, err_msg=what)
        fleet.crash(name)
        assert fleet.engines[name].fingerprint() == engine.fingerprint()


def two() -> tuple[Fleet, Engine, Engine]:
    fleet = Fleet(2)
    live(fleet, 30, 3)
    return fleet, fleet.engines["s0"], fleet.engines["s1"]


def test_vectors_of_a_base_are_those_of_the_same_items() -> None:
    _, donor, receiver = two()
    donor.mix.base()
    parts = donor.mix.base()
    # Without lessons of its own, to see nothing but the base.
    receiver.apply([receiver.mix.release(receiver.mix.position.sequence)])
    receiver.apply(receiver.mix.rebased("s0", parts))
    models = []
    for engine in (donor, receiver):
        factors = engine.state.source(Factors)
        assert factors is not None
        catalogue = engine.state.catalogue
        order = np.array([catalogue.index(f"i{number}") for number in range(12)], np.int64)
        models.append([array[order] for array in factors._model])  # noqa: SLF001
    for of_donor, of_receiver in zip(*models, strict=True):
        np.testing.assert_array_equal(of_donor, of_receiver)


def test_a_base_that_lacks_a_part_changes_nothing() -> None:
    _, donor, receiver = two()
    before = receiver.state.parts()
    [event] = receiver.mix.rebased("s0", donor.mix.base())
    assert isinstance(event, Rebased)
    late = Rebased(
        event_id="late", ts_ms=event.ts_ms, shard="s0", number=1, last=True, record=event.record
    )
    receiver.apply([late])
    assert receiver.mix.position.refused == 1
    after = receiver.state.parts()
    assert {name for name in after if after[name] != before[name]} == {"counters", "mixing"}


def test_a_base_for_which_there_is_no_room_is_refused() -> None:
    settings = SETTINGS.model_copy(
        update={"catalogue": SETTINGS.catalogue.model_copy(update={"max_items": 12})}
    )
    fleet = Fleet(1)
    [donor] = fleet.engines.values()
    fleet.find("u0", 3)
    fleet.do("u0", fleet._feedback("u0", "another", "click"))  # noqa: SLF001
    small = Fleet(1, settings)
    [receiver] = small.engines.values()
    receiver.apply(receiver.mix.rebased("donor", donor.mix.base()))
    assert receiver.stats().failed == 1
    assert receiver.state.counts.liked.sum() == 0


@pytest.mark.parametrize("damage", [0, -1])
def test_a_damaged_base_changes_nothing(damage: int) -> None:
    _, donor, receiver = two()
    parts = donor.mix.base()
    flipped = bytearray(parts[0])
    flipped[damage] ^= 0xFF
    liked = receiver.state.counts.liked.copy()
    receiver.apply(receiver.mix.rebased("s0", [bytes(flipped)]))
    assert receiver.stats().failed == 1
    np.testing.assert_array_equal(receiver.state.counts.liked, liked)
