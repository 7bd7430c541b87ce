"""Metrics of shards and gateways, made without a cluster: all is counted once, nothing raises."""

import asyncio

import msgspec
import pytest
from ray.util.metrics import Counter, Gauge

from actors import gateway_metrics
from actors.gateway_metrics import CallMetrics
from actors.metrics import RayObserver
from recsys.views import ArmStats, Base, DriftStats, MemoryStats, Stats

LISTS = "recsys_recommend_duration_seconds"


def stats(sequence: int, shown: int, clicks: int) -> Stats:
    return Stats(
        sequence=sequence,
        snapshot_sequence=0,
        items=3,
        users_in_memory=2,
        feedback={"click": clicks},
        arms={"learner": ArmStats(decisions=1, shown=shown, clicks=clicks, reward=1.5)},
        examples=0,
        replayed=0,
        replay_size=0,
        pending=1,
        evicted={},
        unmatched=0,
        resets=0,
        failed=0,
    )


def test_totals_of_the_log_become_counts_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[str, float, dict[str, str]]] = []

    def inc(counter: Counter, value: float, tags: dict[str, str]) -> None:
        counted.append((str(counter.info["name"]), value, tags))

    monkeypatch.setattr(Counter, "inc", inc)
    now = stats(10, shown=100, clicks=7)
    observer = RayObserver(3, lambda: now)
    observer.on_round()
    assert counted == [], "what was before this process is not counted again"
    now = stats(20, shown=130, clicks=9)
    observer.on_round()
    tags = {"shard": "3", "policy": "learner"}
    assert counted == [
        ("recsys_impressions_total", 30, tags),
        ("recsys_clicks_total", 2, tags),
    ]


def test_alarms_and_losses_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[tuple[str, float, dict[str, str]]] = []
    measured: dict[str, float] = {}

    def inc(counter: Counter, value: float, tags: dict[str, str]) -> None:
        counted.append((str(counter.info["name"]), value, tags))

    def put(gauge: Gauge, value: float, _tags: dict[str, str]) -> None:
        measured[str(gauge.info["name"])] = value

    monkeypatch.setattr(Counter, "inc", inc)
    monkeypatch.setattr(Gauge, "set", put)
    now = msgspec.structs.replace(stats(1, 0, 0), drift=DriftStats(alarms={"user_clicks": 3}))
    observer = RayObserver(3, lambda: now)
    observer.on_round()
    assert counted == []
    assert "recsys_old_loss" not in measured, "what is not known yet is not told"
    now = msgspec.structs.replace(
        now,
        drift=DriftStats(alarms={"user_clicks": 5, "shard_loss": 1}),
        memory=MemoryStats(recent_loss=1.5, old_loss=2.0, old_loss_when_new=1.75),
    )
    observer.on_round()
    observer.on_round()
    assert counted == [
        ("recsys_drift_detected_total", 2, {"shard": "3", "scope": "user", "signal": "clicks"}),
        ("recsys_drift_detected_total", 1, {"shard": "3", "scope": "shard", "signal": "loss"}),
    ]
    losses = ("recsys_recent_loss", "recsys_old_loss", "recsys_old_loss_when_new")
    assert [measured[name] for name in losses] == [1.5, 2.0, 1.75]


def test_what_a_shard_tells_is_counted_and_told_with_each_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[tuple[str, float, dict[str, str]]] = []
    measured: dict[tuple[str, str], float] = {}

    def inc(counter: Counter, value: float, tags: dict[str, str]) -> None:
        counted.append((str(counter.info["name"]), value, tags))

    def put(gauge: Gauge, value: float, tags: dict[str, str]) -> None:
        assert tags["shard"] == "0"
        measured[str(gauge.info["name"]), tags.get("le", "")] = value

    monkeypatch.setattr(Counter, "inc", inc)
    monkeypatch.setattr(Gauge, "set", put)
    observer = RayObserver(0, lambda: stats(0, 0, 0))
    observer.on_recommend("learner", 0.001, fallback=True)
    observer.on_recommend("learner", 0.002, fallback=False)
    observer.on_recommend("learner", 7.0, fallback=False)
    observer.on_commit(5, 0.002)
    observer.on_commit(0, 0.002)  # positions in outside logs alone
    observer.on_folded(4, 0.003)
    observer.on_rejected("overloaded", 2)
    observer.on_rejected("invalid", 0)
    observer.on_snapshot(0.01)
    assert counted == [], "it waits for the round"
    observer.on_round()
    taken_s = measured.pop(("recsys_snapshot_timestamp_seconds", ""))
    lists = {"shard": "0", "policy": "learner"}
    assert counted == [
        ("recsys_recommendations_total", 1, {**lists, "outcome": "fallback"}),
        ("recsys_recommendations_total", 2, {**lists, "outcome": "ok"}),
        ("recsys_events_total", 5, {"shard": "0"}),
        ("recsys_updates_total", 4, {"shard": "0"}),
        ("recsys_events_rejected_total", 2, {"shard": "0", "reason": "overloaded"}),
    ]
    buckets = {le: n for (name, le), n in measured.items() if name == f"{LISTS}_bucket"}
    assert [*buckets][:3] + [*buckets][-2:] == ["0.001", "0.0025", "0.005", "1.0", "+Inf"]
    assert [buckets[le] for le in ("0.001", "0.0025", "1.0", "+Inf")] == [1, 2, 2, 3]
    assert measured[f"{LISTS}_count", ""] == 3
    assert measured[f"{LISTS}_sum", ""] == pytest.approx(7.003)
    counted.clear()
    observer.on_round()
    assert counted == [], "nothing is counted twice"
    assert measured["recsys_snapshot_timestamp_seconds", ""] == taken_s, "it is told again"
    assert measured[f"{LISTS}_count", ""] == 3, "what Prometheus sees never falls"


def test_what_a_shard_tells_is_taken_in_silence() -> None:
    observer = RayObserver(0, lambda: stats(0, 0, 0))
    observer.on_recommend("learner", 0.001, fallback=True)
    observer.on_commit(0, 0.002)
    observer.on_rejected("invalid", 0)
    observer.on_disk(0)
    observer.on_snapshot(0.01)
    observer.on_round()


def test_the_losses_of_a_base_are_shown_once_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[tuple[str, str], float] = {}

    def set_(gauge: Gauge, value: float, tags: dict[str, str]) -> None:
        shown[str(gauge.info["name"]), tags.get("of", "")] = value

    monkeypatch.setattr(Gauge, "set", set_)
    now = stats(1, 0, 0)
    observer = RayObserver(3, lambda: now)
    observer.on_round()
    assert shown["recsys_base_version", ""] == 0
    assert ("recsys_base_loss", "refit") not in shown
    now = msgspec.structs.replace(now, base=Base(version=2, loss=1.5, baseline=1.75))
    observer.on_round()
    assert shown["recsys_base_version", ""] == 2
    assert shown["recsys_base_loss", "refit"] == 1.5
    assert shown["recsys_base_loss", "live"] == 1.75


async def test_calls_that_pass_by_serve_are_counted_under_its_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[tuple[str, float, dict[str, str]]] = []
    told = asyncio.Event()
    monkeypatch.setattr(gateway_metrics, "_TOLD_AFTER_S", 0.0)

    def inc(counter: Counter, value: float, tags: dict[str, str]) -> None:
        counted.append((str(counter.info["name"]), value, tags))

    def put(gauge: Gauge, value: float, tags: dict[str, str]) -> None:
        if gauge.info["name"] == "recsys_http_request_duration_seconds_count":
            assert (value, tags) == (3, {"route": "/v1/events"})
            told.set()

    monkeypatch.setattr(Counter, "inc", inc)
    monkeypatch.setattr(Gauge, "set", put)
    metrics = CallMetrics("shop")
    for status in (202, 202, 429):
        metrics.count("/v1/events", status, 0.001)
    assert counted == [], "Ray hears of many at once"
    await asyncio.wait_for(told.wait(), 20)
    tags = {"route": "/v1/events", "method": "POST", "application": "shop"}
    assert counted == [
        ("serve_num_http_requests", 2, {**tags, "status_code": "202"}),
        ("serve_num_http_requests", 1, {**tags, "status_code": "429"}),
        ("serve_num_http_error_requests", 1, {**tags, "error_code": "429"}),
    ]
