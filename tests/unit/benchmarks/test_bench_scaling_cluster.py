"""What a simulated cluster must keep, whatever happens to it."""

from collections.abc import Callable

import msgspec
import pytest

from benchmarks.scaling.cluster import Cluster, Outcome, Plant
from benchmarks.scaling.demand import Demand
from benchmarks.scaling.held_against import Measured, as_measured, closed_loop
from benchmarks.scaling.mix_plan import MixLayout
from benchmarks.scaling.ramp import full_at, ramp
from tests.scaling_costs import COSTS

SECONDS = 4.0


def cluster(
    shards: int = 4, people: float = 5e5, gateways: int = 2, seed: int = 1, **mix: float
) -> Cluster:
    layout = msgspec.convert(mix, MixLayout)
    plant = Plant(shards=shards, gateways=gateways, sample=4, mix=layout)
    return Cluster(COSTS, Demand(users=people * shards), plant, seed)


def lives(one: Cluster, deed: Callable[[Cluster], None]) -> Outcome:
    one.timeline.after(3.5, lambda: deed(one))
    return one.run(SECONDS)


def kill(one: Cluster) -> None:
    one.shards[0].die()
    one.timeline.after(1.0, one.shards[0].rise)


def kill_mixer(one: Cluster) -> None:
    one.mix.die()


def slow(one: Cluster) -> None:
    one.shards[0].core.slowness = 50.0


def nothing(_: Cluster) -> None:
    pass


@pytest.mark.parametrize("deed", [nothing, kill, kill_mixer, slow])
def test_whoever_asks_is_answered_refused_or_lost(deed: Callable[[Cluster], None]) -> None:
    one = cluster()
    lives(one, deed)
    for gateway in one.gateways:
        assert gateway.in_flight < 768
    # Who was on the way when counting began was asked before it.
    one.close(0.0)
    asked = sum(book.asked for book in (*one.lists, *one.events))
    over = sum(book.fates.total() for book in (*one.lists, *one.events))
    before = over + sum(gateway.in_flight for gateway in one.gateways) - asked
    one.close(6.0)
    assert sum(gateway.in_flight for gateway in one.gateways) == 0
    assert sum(book.fates.total() for book in (*one.lists, *one.events)) == asked + before
    assert 0 <= before < 50
    answered = sum(book.fates["answered"] for book in one.lists)
    assert answered == sum(len(book.seconds) for book in one.lists) > 500


def test_a_seed_decides_everything() -> None:
    first, again, other = (cluster(seed=seed).run(SECONDS) for seed in (1, 1, 2))
    assert msgspec.json.encode(first) == msgspec.json.encode(again)
    assert msgspec.json.encode(first) != msgspec.json.encode(other)


def test_a_core_is_as_busy_as_the_work_that_comes() -> None:
    one = cluster(shards=1)
    outcome = one.run(20.0)
    commit = COSTS.seconds("commit_us")
    letters = outcome.lists_per_s + outcome.events_per_s
    work = outcome.lists_per_s * (COSTS.seconds("recommend_us") + COSTS.seconds("decision_us"))
    work += outcome.events_per_s * COSTS.seconds("event_us")
    work += COSTS.seconds("capture_us") / COSTS.mean("snapshot_round_s")
    assert work < outcome.shard_use < 1.03 * (work + letters * commit)
    calls = letters * COSTS.seconds("gateway_us") / len(one.gateways)
    assert outcome.gateway_use == pytest.approx(calls, rel=0.05)


def test_a_dead_mixer_holds_nobody_up_and_its_lessons_come_later() -> None:
    usual = cluster().run(SECONDS)
    dead = lives(cluster(), kill_mixer)
    assert dead.refused == dead.lost == dead.events_lost == 0.0
    assert usual.list_ms.p99 is not None
    assert dead.list_ms.p99 is not None
    assert dead.list_ms.p99 <= usual.list_ms.p99
    back = cluster()
    back.timeline.after(6.5, back.mix.rise)
    late = lives(back, kill_mixer)
    assert late.age_s.max is not None
    assert usual.age_s.max is not None
    assert late.age_s.max > usual.age_s.max
    assert late.age_s.max > 2.0
    assert 3 <= back.mix.rounds <= 5


def test_a_shard_that_dies_loses_its_own_calls_for_as_long_as_it_is_down() -> None:
    outcome = lives(cluster(), kill)
    assert outcome.others_failed == 0.0
    assert outcome.lost == pytest.approx(1.0 / SECONDS / 4, rel=0.15)


def test_a_slow_shard_holds_nobody_up_if_gateways_have_room_for_what_waits_for_it() -> None:
    one = cluster(gateways=4)
    one.timeline.after(3.5, lambda: slow(one))
    outcome = one.run(9.0)
    assert outcome.lost > 0.03
    assert outcome.others_failed == 0.0


def test_a_slow_shard_is_no_greater_part_of_a_sample_than_of_all() -> None:
    one = cluster(shards=100, people=1e6, gateways=13)
    assert len(one.gateways) == 1
    one.timeline.after(3.5, lambda: slow(one))
    assert one.run(8.0).others_failed == 0.0


def test_a_slow_shard_fills_a_gateway_that_has_no_room() -> None:
    one = cluster(shards=2, people=2e6, gateways=1)
    one.timeline.after(3.5, lambda: slow(one))
    assert one.run(8.0).others_failed > 0.05


def test_lists_do_not_wait_for_what_is_learned() -> None:
    quiet = cluster(per_s=1.0).run(SECONDS).list_ms.p99
    loud = cluster(per_s=2000.0).run(SECONDS).list_ms.p99
    assert quiet is not None
    assert loud is not None
    # One piece of a hundred lessons at most.
    piece_ms = (COSTS.mean("piece_us") + 100.0 * COSTS.mean("lesson_us")) / 1000.0
    assert loud < quiet + piece_ms + 2.0


def test_lessons_are_old_by_half_a_round_and_what_learning_takes() -> None:
    for every_s in (1.0, 2.0):
        age = cluster(every_s=every_s, per_s=100.0).run(12.0).age_s.p50
        assert age == pytest.approx(every_s / 2, rel=0.35)


def test_a_mixer_that_is_full_is_seen_to_be() -> None:
    outcome = cluster(shards=600).run(SECONDS)
    assert outcome.mixer_use == pytest.approx(1.0)
    assert outcome.plan.round_s > 1.0
    assert outcome.lost == 0.0


def test_a_ramp_ends_where_shards_are_full() -> None:
    plant = Plant(shards=4, gateways=8, sample=2)
    demand = Demand(users=4e6)
    steps = ramp(COSTS, demand, plant, seed=1, seconds=1.0, factors=(0.5, 2.0, 8.0, 30.0))
    assert [step.factor for step in steps] == [0.5, 2.0, 8.0]
    uses = [step.outcome.shard_use for step in steps]
    assert uses == sorted(uses)
    full = full_at(COSTS, demand, plant)
    assert 2.0 < full["shards"] < 8.0
    assert next(iter(full)) in {"shards", "gateways"}


def test_a_closed_loop_is_bounded_by_its_two_cores() -> None:
    costs = as_measured(COSTS)
    per_s, many = closed_loop(costs, Measured(64, 0.0, 1.0, 1.0, 1.0), 4.0, 1)
    gateway, lists = costs.seconds("gateway_us"), costs.seconds("recommend_us")
    lists += costs.seconds("decision_us")
    least = 2.0 / (gateway + lists + costs.seconds("commit_us"))
    assert 0.99 * least < per_s < 2.0 / (gateway + lists)
    assert many.p50 == pytest.approx(64_000.0 / per_s, rel=0.1)  # Little's law
    half, _ = closed_loop(costs, Measured(64, 0.0, 1.0, 1.0, 1.0), 4.0, 1, slowness=2.0)
    assert half == pytest.approx(per_s / 2.0, rel=0.05)
