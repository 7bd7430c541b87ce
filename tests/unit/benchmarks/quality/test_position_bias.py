from itertools import combinations

import numpy as np
import pytest

from benchmarks.quality.position_bias import (
    CHECKS,
    accuracy,
    learned,
    measure,
    partial_correlation,
    placed,
)
from benchmarks.quality.service import Embedded
from recsys.settings import EngineSettings
from simulators.worlds import World, WorldSettings


def test_accuracy_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(1)
    scores, truth, against = rng.integers(0, 6, 20).astype(float), rng.random(20), rng.random(20)
    right, counted, right_against, counted_against = 0.0, 0, 0.0, 0
    for one, other in combinations(range(20), 2):
        better, worse = (one, other) if truth[one] > truth[other] else (other, one)
        hit = 0.5 if scores[one] == scores[other] else float(scores[better] > scores[worse])
        right, counted = right + hit, counted + 1
        if against[worse] > against[better]:
            right_against, counted_against = right_against + hit, counted_against + 1
    assert accuracy(scores, truth) == pytest.approx(right / counted)
    assert accuracy(scores, truth, against=against) == pytest.approx(
        right_against / counted_against
    )
    assert accuracy(truth, truth) == 1.0
    assert accuracy(-truth, truth) == 0.0
    assert accuracy(against, truth, against=against) == 0.0


def test_a_partial_correlation_leaves_out_what_the_third_explains() -> None:
    rng = np.random.default_rng(1)
    given, noise, more = rng.normal(size=(3, 4000))
    assert partial_correlation(given + noise, given + more, given) == pytest.approx(0.0, abs=0.06)
    assert partial_correlation(given + noise, noise + 0.1 * more, given) > 0.9
    # Any rising function has the same ranks.
    one = partial_correlation(given + noise, noise, more)
    assert partial_correlation(np.exp(given + noise), noise**3, more) == pytest.approx(one)


KIND = WorldSettings(seed=7, n_people=40, n_items=30, stay_lists=4)


def test_a_list_is_shown_and_learned_in_the_order_of_the_house() -> None:
    world = World(KIND)
    service = Embedded.open(world.catalogue, EngineSettings())
    items = world.catalogue.ids[9::-1]
    asked = service.ask(world.people[0], 0.0, items)
    shown = placed(asked, items)
    assert [slot.item_id for slot in shown.slots] == list(items)
    assert {slot.propensity for slot in shown.slots} == {1.0}
    features = {slot.item_id: slot.features for slot in asked.slots}
    assert {slot.item_id: slot.features for slot in shown.slots} == features
    assert (shown.event_id, shown.user_id) == (asked.event_id, asked.user_id)


def test_what_stands_on_top_gets_the_clicks() -> None:
    priority, chance = np.random.default_rng(2).random((2, 30))
    scores, rates = learned(World(KIND), EngineSettings(), priority, 500)
    assert len(scores) == len(rates) == CHECKS
    assert (scores[0] != scores[-1]).any()
    assert partial_correlation(rates[-1], priority, chance) > 0.4
    _, rates = learned(World(KIND), EngineSettings(), None, 500)
    assert abs(partial_correlation(rates[-1], priority, chance)) < 0.3


def test_the_decay_decides_what_the_engine_learns() -> None:
    one = measure(3, EngineSettings(), n_lists=60)
    assert one == measure(3, EngineSettings(), n_lists=60)
    assert one["gain"] == one["accuracy_handled"] - one["accuracy_ignored"]
    assert one["year_correlation_handled"] != one["year_correlation_ignored"]
