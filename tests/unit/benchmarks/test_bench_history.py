"""The checker must find what it looks for: each fault is forged once."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.history import Findings, History, Sighting, lock_holders
from recsys.client import Recommended
from recsys.client.schema import ShownItem
from recsys.events import Decision, Slot

CLEAN = Findings(
    sightings=4, lists=2, logged=1, two_owners=0, turned_back=0, improbable=0, unlike_log=0
)
SIGHTINGS = [
    Sighting(0, 1, 100, (7,)),
    Sighting(1, 1, 101, (8,)),
    Sighting(0, 2, 200, (9,)),
    Sighting(1, 1, 101),
]
DRAWN = (("a", 0.5), ("b", 1.0))


def shown(name: str, slots: Sequence[tuple[str, float]] = DRAWN) -> Recommended:
    items = tuple(
        ShownItem(item_id=item_id, rank=rank, score=0.0, propensity=propensity)
        for rank, (item_id, propensity) in enumerate(slots, start=1)
    )
    return Recommended(
        decision_id=name, items=items, policy="learner", model_sequence=0, fallback=False
    )


def logged(name: str, slots: Sequence[tuple[str, float]] = DRAWN) -> Decision:
    return Decision(
        event_id=name,
        user_id="ann",
        ts_ms=1,
        policy="learner",
        model_sequence=0,
        slots=tuple(
            Slot(item_id=item_id, score=0.0, propensity=propensity) for item_id, propensity in slots
        ),
    )


def found(*lists: Recommended, sightings: Sequence[Sighting] = SIGHTINGS) -> Findings:
    history = History()
    history.sightings.extend(sightings)
    for one in lists:
        history.see_list(one)
    return history.check([logged("d1"), logged("somebody's")])


def test_what_agrees_is_clean() -> None:
    assert found(shown("d1"), shown("never logged")) == CLEAN
    assert CLEAN.clean


def test_two_owners_of_one_epoch_are_found() -> None:
    twice = found(sightings=[*SIGHTINGS, Sighting(0, 2, 201)])
    assert twice.two_owners == 1
    assert not twice.clean


def test_two_who_may_write_one_log_are_found() -> None:
    twice = found(sightings=[Sighting(0, 1, 100, (7, 9))])
    assert twice.two_owners == 1
    assert not twice.clean


def test_an_owner_who_comes_back_is_found() -> None:
    stale = found(sightings=[*SIGHTINGS, Sighting(0, 1, 100)])
    assert (stale.two_owners, stale.turned_back) == (0, 1)
    assert not stale.clean


@pytest.mark.parametrize("slots", [[("a", 0.0)], [("a", 0.5), ("b", 1.5)], [("a", -0.1)], []])
def test_a_list_that_cannot_have_been_drawn_is_found(slots: list[tuple[str, float]]) -> None:
    one = found(shown("d2", slots))
    assert one.improbable == 1
    assert not one.clean


@pytest.mark.parametrize("slots", [[("a", 0.5), ("b", 0.9)], [("b", 1.0), ("a", 0.5)]])
def test_a_list_that_the_log_knows_otherwise_is_found(slots: list[tuple[str, float]]) -> None:
    one = found(shown("d1", slots))
    assert (one.logged, one.unlike_log) == (1, 1)
    assert not one.clean


def test_the_kernel_says_who_may_write(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    with path.open("w") as file:
        assert lock_holders(path) == ()
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert lock_holders(path) == (os.getpid(),)
    assert lock_holders(path) == ()
