"""A shard's metrics on Ray's own exporter, seen by Prometheus as ``ray_recsys_...``.

No label ever holds an id from outside: arms come from the settings, the rest is written here.
Sums over a server leave out ``WorkerId``, which changes with each restart of a shard.
"""

import time
from collections.abc import Callable

from ray.util.metrics import Counter, Gauge
from typing_extensions import override

from actors.histogram import Histogram
from actors.observer import Observer, Reason
from recsys.views import ArmStats, DriftStats, MemoryStats, Stats

__all__ = ["RayObserver"]


class RayObserver(Observer):
    """Metrics of one shard; to be made in the process of the shard.

    What happens with every list or commit is counted here and told with each round: to tell Ray at
    once would cost a list a twentieth of its time, and lend the interpreter's lock to other
    threads, which then keep it for some milliseconds.

    Parameters
    ----------
    shard
        Its number.
    stats
        The engine's counters, read once per round.
    """

    def __init__(self, shard: int, stats: Callable[[], Stats]) -> None:
        self._stats = stats
        self._shard = str(shard)
        self._tags = {"shard": self._shard}
        self._histograms = list[Histogram]()
        self._recommend_s = self._histogram("recommend_duration", "Engine time of one answer.")
        self._recommendations = _counter(
            "recommendations_total", "Lists served.", "policy", "outcome"
        )
        self._events = _counter("events_total", "Events written, decisions included.")
        self._rejected = _counter("events_rejected_total", "Events not taken.", "reason")
        self._commit_s = self._histogram("commit_duration", "One group commit.")
        self._updates = _counter("updates_total", "Events learned.")
        self._freshness_s = self._histogram("event_to_update", "From receipt to learned.")
        self._snapshot_s = self._histogram("snapshot_duration", "Capture and commit of a snapshot.")
        self._snapshot_at = _gauge("snapshot_timestamp_seconds", "When the last snapshot was made.")
        self._disk_free = _gauge("disk_free_bytes", "Free where the store lies, at the last look.")
        self._copy_s = self._histogram("copy_duration", "One copy of the store off the machine.")
        self._copied_at = _gauge("copy_timestamp_seconds", "When the last copy was made.")
        self._copies_failed = _counter("copies_failed_total", "Copies that were not made.")
        self._impressions = _counter("impressions_total", "Slots shown.", "policy")
        self._clicks = _counter("clicks_total", "Slots with positive feedback.", "policy")
        self._reward = _gauge("reward_sum", "Reward since the log began.", "policy")
        self._items = _gauge("catalog_items", "Items in the catalogue.")
        self._users = _gauge("users_in_memory", "Users in memory.")
        self._pending = _gauge("pending_rewards", "Decisions inside their reward window.")
        self._unmatched = _gauge(
            "feedback_unmatched", "Feedback whose decision was not (or no longer) waiting."
        )
        self._resets = _gauge("user_model_resets", "Personal models begun anew.")
        self._failed = _gauge("events_failed", "Events that raised while being learned.")
        self._lost = _gauge("events_lost", "Acknowledged events that were damaged and given up.")
        self._quarantined = _gauge("events_quarantined", "Events taken out of the log.")
        self._model_resets = _counter(
            "model_resets_total", "Times that a model was replaced by its last good snapshot."
        )
        self._base = _gauge("base_version", "Refits that were adopted.")
        self._base_loss = _gauge(
            "base_loss", "Progressive loss when the last refit was adopted.", "of"
        )
        self._recent_loss = _gauge("recent_loss", "Loss on new choices, nats.")
        self._old_loss = _gauge("old_loss", "Loss on old choices that are never replayed, nats.")
        self._old_loss_when_new = _gauge("old_loss_when_new", "The same when they were new, nats.")
        self._drift = _counter("drift_detected_total", "Alarms of drift.", "scope", "signal")
        self._untold = dict[tuple[Counter, str, str], int]()
        self._latest = dict[Gauge, float]()
        self._arms = _copy(stats())
        self._alarms = dict(stats().drift.alarms)

    @override
    def on_recommend(self, arm: str, seconds: float, *, fallback: bool) -> None:
        self._recommend_s.observe(seconds, self._shard)
        self._count(self._recommendations, 1, arm, "fallback" if fallback else "ok")

    @override
    def on_commit(self, events: int, seconds: float) -> None:
        self._commit_s.observe(seconds, self._shard)
        self._count(self._events, events)

    @override
    def on_folded(self, events: int, seconds: float) -> None:
        self._count(self._updates, events)
        self._freshness_s.observe(seconds, self._shard)

    @override
    def on_rejected(self, reason: Reason, events: int) -> None:
        self._count(self._rejected, events, reason)

    @override
    def on_snapshot(self, seconds: float) -> None:
        self._snapshot_s.observe(seconds, self._shard)
        self._latest[self._snapshot_at] = time.time()

    @override
    def on_round(self) -> None:
        self._tell_counts()
        for histogram in self._histograms:
            histogram.tell()
        # Ray's agent forgets a gauge that nobody has set for twenty seconds.
        for gauge, value in self._latest.items():
            gauge.set(value, self._tags)
        stats = self._stats()
        self._items.set(stats.items, self._tags)
        self._users.set(stats.users_in_memory, self._tags)
        self._pending.set(stats.pending, self._tags)
        self._unmatched.set(stats.unmatched, self._tags)
        self._resets.set(stats.resets, self._tags)
        self._failed.set(stats.failed, self._tags)
        self._lost.set(stats.lost, self._tags)
        self._quarantined.set(stats.quarantined, self._tags)
        self._base.set(stats.base.version, self._tags)
        if stats.base.version:
            self._base_loss.set(stats.base.loss, {**self._tags, "of": "refit"})
            self._base_loss.set(stats.base.baseline, {**self._tags, "of": "live"})
        self._remember(stats.memory)
        self._count_alarms(stats.drift)
        for name, arm in stats.arms.items():
            self._count_arm(name, arm)
        self._arms = _copy(stats)

    def _histogram(self, name: str, description: str) -> Histogram:
        made = Histogram(f"recsys_{name}_seconds", description, "shard")
        self._histograms.append(made)
        return made

    def _count(self, counter: Counter, n: int, first: str = "", second: str = "") -> None:
        """Count what is to be told with the values of the counter's own tags, in their order."""
        key = counter, first, second
        self._untold[key] = self._untold.get(key, 0) + n

    def _tell_counts(self) -> None:
        untold, self._untold = self._untold, {}
        for (counter, *values), n in untold.items():
            # A commit may hold positions in outside logs alone, and Ray refuses to count nothing.
            if n:
                own = counter.info["tag_keys"][1:]
                counter.inc(n, {**self._tags, **dict(zip(own, values, strict=False))})

    @override
    def on_reset(self, events: int) -> None:
        self._model_resets.inc(1, self._tags)

    @override
    def on_disk(self, free: int) -> None:
        self._disk_free.set(free, self._tags)

    @override
    def on_copy(self, seconds: float | None) -> None:
        if seconds is None:
            self._copies_failed.inc(1, self._tags)
        else:
            self._copy_s.observe(seconds, self._shard)
            self._latest[self._copied_at] = time.time()

    def _remember(self, memory: MemoryStats) -> None:
        for gauge, value in (
            (self._recent_loss, memory.recent_loss),
            (self._old_loss, memory.old_loss),
            (self._old_loss_when_new, memory.old_loss_when_new),
        ):
            if value is not None:
                gauge.set(value, self._tags)

    def _count_alarms(self, drift: DriftStats) -> None:
        for name, count in drift.alarms.items():
            scope, signal = name.split("_")
            step = count - self._alarms.get(name, 0)
            if step > 0:
                self._drift.inc(step, {**self._tags, "scope": scope, "signal": signal})
        self._alarms = dict(drift.alarms)

    def _count_arm(self, name: str, arm: ArmStats) -> None:
        tags = {**self._tags, "policy": name}
        before = self._arms.get(name, ArmStats())
        self._reward.set(arm.reward, tags)
        for counter, step in (
            (self._impressions, arm.shown - before.shown),
            (self._clicks, arm.clicks - before.clicks),
        ):
            if step > 0:
                counter.inc(step, tags)


def _copy(stats: Stats) -> dict[str, ArmStats]:
    """Keep the counts as they are now; the engine may go on counting in the same objects."""
    return {
        name: ArmStats(decisions=arm.decisions, shown=arm.shown, clicks=arm.clicks)
        for name, arm in stats.arms.items()
    }


def _counter(name: str, description: str, *tags: str) -> Counter:
    return Counter(f"recsys_{name}", description, tag_keys=("shard", *tags))


def _gauge(name: str, description: str, *tags: str) -> Gauge:
    return Gauge(f"recsys_{name}", description, tag_keys=("shard", *tags))
