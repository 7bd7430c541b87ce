"""The arithmetic of capacity, worked out by hand; and its document."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.scale_costs import measure
from benchmarks.scale_sim import LAYOUTS, documents, find, planned
from benchmarks.scaling import tables
from benchmarks.scaling.capacity import plan, shard_use
from benchmarks.scaling.constants import SHARES, Constant, Costs, quantiles_of
from benchmarks.scaling.demand import Demand
from benchmarks.scaling.mix_plan import MixLayout, largest, mix_plan
from benchmarks.scaling.years import expected_loss, live
from tests.scaling_costs import COSTS

OURS = Costs.read()
"""Those of the document."""
RENEW = "make scale-sim ARGS='--docs docs/capacity.md'"
DOCUMENT = Path(__file__).parents[3] / "docs" / "capacity.md"


def test_demand() -> None:
    people = Demand(users=1e6, active=0.2, lists=20.0, events=10.0, peak=3.0)
    assert people.lists_per_s == pytest.approx(4e6 * 3 / 86_400)
    assert people.lessons_per_s == pytest.approx(people.lists_per_s * 2)
    assert people.times(2.0).events_per_s == pytest.approx(people.lists_per_s)


def test_a_mix_of_ten_shards_by_hand() -> None:
    # 5,000 lessons a second of all, 2,000 of which are told: 200 of each shard, two pieces.
    demand = Demand(users=1e6, active=1.0, lists=86_400 / 1000, events=86_400 / 500, peak=1.0)
    assert demand.lessons_per_s == pytest.approx(5000.0)
    found = mix_plan(COSTS.having(piece_lessons=100.0), demand, 10, MixLayout())
    assert found.share == pytest.approx(0.4)
    assert found.lessons_per_s == pytest.approx(1800.0)
    assert found.pieces_per_round == pytest.approx(18.0)
    told = 18 * COSTS.mean("piece_bytes") + 1800 * COSTS.mean("lesson_bytes")
    assert found.in_bytes_per_s == pytest.approx(told + COSTS.mean("ranker_down_bytes"))
    learned_us = 18 * COSTS.mean("piece_us") + 1800 * COSTS.mean("lesson_us")
    assert found.pieces_per_round * found.piece_s == pytest.approx(1e-6 * learned_us)
    assert found.root_s == 0.0


def test_each_shard_learns_no_more_than_it_may_and_opens_a_piece_of_each_other() -> None:
    for shards in (2, 30, 1000):
        found = mix_plan(COSTS, Demand(users=1e6 * shards), shards, MixLayout(per_s=500.0))
        assert found.lessons_per_s <= 500.0
        assert found.pieces_per_round >= (shards - 1) * 0.99


def test_the_number_of_shards_at_which_a_mixer_is_full() -> None:
    each = Demand(users=1e6)
    found = {name: largest(COSTS, each, layout) for name, layout in LAYOUTS.items()}
    for name, layout in LAYOUTS.items():
        most = found[name]
        uses = [
            mix_plan(COSTS, each.times(n), n, layout).mixer_share(layout) for n in (most, most + 1)
        ]
        assert uses[0] < 1.0 <= uses[1]
    built, *_, tree = found.values()
    assert built < found["a round every 4 s"] < tree


def test_a_tree_spares_pieces() -> None:
    demand = Demand(users=4e8)
    one, tree = (mix_plan(COSTS, demand, 400, MixLayout(groups=n)) for n in (1, 20))
    assert one.root_s == 0.0 < tree.root_s < 1.0
    assert one.pieces_per_round == pytest.approx(399.0, rel=1e-6)
    # The 19 others of the group, and one piece or more of each of 19 other groups.
    assert 37.9 < tree.pieces_per_round < 45.0
    assert tree.lessons_per_s == one.lessons_per_s


def test_a_plan_is_as_busy_as_it_may_be() -> None:
    costs = COSTS.having(recommend_us=20_000.0)
    demand = Demand(users=1e6)
    found = plan(costs, demand, use=0.5)
    assert found.by_people == 1
    assert found.by_core is not None
    assert found.shards == found.by_core > 1
    assert found.shard_use <= 0.5
    assert shard_use(costs, demand, found.shards - 1, MixLayout()) > 0.5
    assert found.gateway_use <= 0.5
    assert found.log_days == pytest.approx(
        COSTS.mean("log_events") * found.shards / (1e6 * 0.2 * 40)
    )


def test_a_plan_says_when_no_number_of_shards_is_enough() -> None:
    found = plan(COSTS.having(piece_us=100_000.0), Demand(users=1e8))
    assert found.by_core is None
    assert found.shards == 100


def test_other_means_scale_what_scatters() -> None:
    changed = COSTS.having(recommend_us=100.0)["recommend_us"]
    assert changed.mean == pytest.approx(100.0)
    assert changed.points[0][1] < 100.0 < changed.points[-1][1]
    assert COSTS["recommend_us"].mean != pytest.approx(100.0)


def test_quantiles_are_kept() -> None:
    points = quantiles_of([float(number) for number in range(1000, 0, -1)])
    assert [share for share, _ in points] == list(SHARES)
    assert points[0] == (0.0, 1.0)
    assert dict(points)[0.99] == 990.0
    assert points[-1] == (1.0, 1000.0)


def test_years_lose_what_arithmetic_says() -> None:
    found = live(COSTS, 32, 2, 200.0, 1)
    assert found.kills / 200.0 / 32 == pytest.approx(COSTS.mean("kills_per_shard_year"), rel=0.05)
    assert found.lost == pytest.approx(expected_loss(COSTS), rel=0.1)
    assert 16 <= found.most_down <= 32
    assert found.lost_to_nodes > 0.9


def test_years_without_nodes_that_fail() -> None:
    costs = Costs(COSTS.constants | {"node_failures_year": constant(0.0)})
    found = live(costs, 10, 1, 50.0, 1)
    assert (found.node_failures, found.lost_to_nodes) == (0, 0.0)
    assert found.lost == pytest.approx(expected_loss(costs), rel=0.1)
    immortal = Costs(costs.constants | {"kills_per_shard_year": constant(0.0)})
    assert live(immortal, 3, 1, 1.0, 1).lost == 0.0


def constant(value: float) -> Constant:
    return Constant(value=value, unit="", kind="assumed", source="")


def test_numbers_are_short() -> None:
    assert [tables.number(one) for one in (None, 0.0, 0.01234, 1.2345, 99.5, 123.4, 123456.0)] == [
        "-", "0", "0.0123", "1.23", "99.5", "123", "123,000",
    ]  # fmt: skip
    assert tables.size(1.5 * 2**30) == "1.5 GiB"


def test_the_document_holds_the_constants_and_the_plans_that_follow() -> None:
    text = DOCUMENT.read_text()
    assert tables.constants(OURS) in text, RENEW
    assert tables.plans(planned(OURS)) in text


def test_the_document_has_a_place_for_each_table(tmp_path: Path) -> None:
    copy = tmp_path / "capacity.md"
    copy.write_text(DOCUMENT.read_text())
    result = find(COSTS, [2], 1e5, 2.0, 1)
    for name, text in documents(COSTS, result).items():
        tables.put(copy, name, text)
        assert text in copy.read_text()
    with pytest.raises(ValueError, match="0 places for no such"):
        tables.put(copy, "no such", "")


def test_costs_are_measured(tmp_path: Path) -> None:
    found = measure(tmp_path, 48, 1)
    assert set(found) == {
        name
        for name, one in OURS.constants.items()
        if one.source == "`python -m benchmarks.scale_costs`"
    }
    assert all(np.min(values) > 0.0 for values in found.values())
    assert np.mean(found["decision_bytes"]) > np.mean(found["event_bytes"]) > 50.0
