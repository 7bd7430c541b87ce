"""Senders that leave out most skips and dwells bias what an arm earned, unless they say so."""

from itertools import islice

import msgspec
import pytest

from recsys.decision import Request
from recsys.engine import Engine
from recsys.events import Event, Feedback, ItemUpsert
from recsys.ids import feature_hash
from recsys.settings import ArmSettings, EngineSettings, UniformSettings
from simulators.worlds import World, WorldSettings

SURVIVAL = 0.1
RANDOM = EngineSettings(
    arms={"random": ArmSettings(share=1.0, ranker="random", policy=UniformSettings())}
)
"""What is shown does not depend on what was learned, so that all senders show the same."""


def sent(event: Feedback, survival: float, *, says_so: bool) -> Feedback | None:
    """Return what arrives of an event, if it does: clicks always, of the rest some by lot."""
    if event.type == "click":
        return event
    if feature_hash("lot", event.event_id) / 2**32 >= survival:
        return None
    return msgspec.structs.replace(event, survival=survival) if says_so else event


def earned(survival: float, *, says_so: bool) -> tuple[float, float, list[str]]:
    """Live through the same visits, and return what the arm earned per slot.

    Returns
    -------
    By the engine's own account; its standard error, if this many events are left out; what was
    shown.
    """
    world = World(WorldSettings(seed=7, n_people=40, n_items=60))
    engine = Engine.open(None, RANDOM)
    engine.apply(
        [
            ItemUpsert(event_id=f"item-{item_id}", ts_ms=0, item_id=item_id)
            for item_id in world.catalogue.ids
        ]
    )
    shown, squares = list[str](), 0.0
    joiner = engine.state.joiner
    for number, (_, seat) in enumerate(islice(world.arrivals(), 150)):
        person = world.visit(seat).person
        ts_ms = 1000 * (number + 1)
        decision = engine.recommend(
            Request(user_id=person.user_id, ts_ms=ts_ms, decision_id=f"d{number}", n=10)
        ).decision
        listed = [slot.item_id for slot in decision.slots]
        shown += listed
        clicks = {listed[click.rank - 1]: click for click in world.look(person, listed)}
        events: list[Event] = [decision]
        for item_id in listed:
            did: list[tuple[str, float | None]] = [("skip", None)]
            if (click := clicks.get(item_id)) is not None:
                did = [("click", None), ("dwell", click.dwell_s)]
            for kind, value in did:
                act = Feedback(
                    event_id=f"{kind}-{number}-{item_id}",
                    user_id=person.user_id,
                    ts_ms=ts_ms + 1,
                    type=kind,
                    item_id=item_id,
                    value=value,
                    decision_id=decision.event_id,
                )
                if kind != "click":
                    squares += joiner.reward(kind, value) ** 2
                if (arrived := sent(act, survival, says_so=says_so)) is not None:
                    events.append(arrived)
        engine.apply(events)
    arm = engine.stats().arms["random"]
    assert arm.shown == len(shown)
    error = (squares * (1.0 / survival - 1.0)) ** 0.5
    return arm.reward / len(shown), error / len(shown), shown


def test_what_an_arm_earned_is_told_right_by_those_who_say_what_they_left_out() -> None:
    truth, no_error, shown = earned(1.0, says_so=True)
    assert (len(shown), no_error) == (1500, 0.0)
    silent, error, shown_too = earned(SURVIVAL, says_so=False)
    assert shown_too == shown
    assert abs(silent - truth) > 5 * error, "who says nothing is believed, and wrong"
    honest, error, shown_too = earned(SURVIVAL, says_so=True)
    assert shown_too == shown
    assert honest == pytest.approx(truth, abs=3 * error)
    assert error < 0.03
