"""A batch of events teaches what its events teach one by one, to the byte."""

import numpy as np

from recsys.events import Event
from tests.engines import ask, engine_with, feedback, items

PEOPLE, ITEMS = 8, 30


def test_a_batch_teaches_what_its_events_teach_one_by_one() -> None:
    rng = np.random.default_rng(5)
    events = items(ITEMS)
    for number in range(300):
        user, chosen = f"u{rng.integers(PEOPLE)}", f"i{rng.integers(ITEMS)}"
        kind = ("click", "view", "dislike")[int(rng.integers(3))]
        events.append(feedback(user, chosen, 1_000_000 + 1000 * number, kind))
    whole, single = engine_with(), engine_with()
    for turn in range(0, len(events), 60):
        batch: list[Event] = events[turn : turn + 60]
        decisions = [ask(whole, f"u{user}", f"d{turn}-{user}", 2_000_000) for user in range(2)]
        batch += decisions
        for decision in decisions:
            for slot in decision.slots[:2]:
                click = feedback(
                    decision.user_id, slot.item_id, 2_000_100, decision_id=decision.event_id
                )
                batch.append(click)
        whole.apply(batch)
        for event in batch:
            single.apply([event])
    counters = whole.state.counters
    assert counters.failed == 0
    assert 0 < counters.listed < counters.choices
    assert whole.fingerprint() == single.fingerprint()
