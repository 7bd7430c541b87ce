"""Kafka's metrics on Ray's own exporter, beside those of ``actors.metrics``.

Labels hold topics and partitions, which come from the settings, and the fixed causes; never an id.
"""

from ray.util.metrics import Counter, Gauge
from typing_extensions import override

from actors.kafka.base import Partition
from actors.kafka.observer import KafkaObserver
from actors.kafka.records import Cause

__all__ = ["RayKafkaObserver"]


class RayKafkaObserver(KafkaObserver):
    """Metrics of one shard; to be made in the process of the shard."""

    def __init__(self, shard: int) -> None:
        self._tags = {"shard": str(shard)}
        place = ("shard", "topic", "partition")
        self._records = Counter(
            "recsys_kafka_records_total", "Records read and settled.", ("shard", "topic")
        )
        self._dead = Counter(
            "recsys_kafka_dead_letters_total", "Records put aside.", ("shard", "cause")
        )
        self._lag = Gauge("recsys_kafka_consumer_lag_records", "Records not learned yet.", place)
        self._gap = Gauge("recsys_kafka_data_gap", "1: the partition is not read.", place)
        self._reconnects = Counter(
            "recsys_kafka_reconnects_total", "Connections lost or not made.", ("shard",)
        )
        self._decisions = Counter(
            "recsys_kafka_decisions_total", "Decisions published.", ("shard",)
        )
        self._behind = Gauge(
            "recsys_kafka_decisions_behind_events",
            "Events not looked through for decisions yet.",
            ("shard",),
        )

    @override
    def on_records(self, topic: str, records: int) -> None:
        self._records.inc(records, {**self._tags, "topic": topic})

    @override
    def on_dead_letter(self, cause: Cause) -> None:
        self._dead.inc(1, {**self._tags, "cause": cause})

    @override
    def on_lag(self, partition: Partition, records: int) -> None:
        self._lag.set(records, self._place(partition))

    @override
    def on_gap(self, partition: Partition, *, open_: bool) -> None:
        self._gap.set(int(open_), self._place(partition))

    @override
    def on_reconnect(self) -> None:
        self._reconnects.inc(1, self._tags)

    @override
    def on_decisions(self, published: int, behind: int) -> None:
        if published:
            self._decisions.inc(published, self._tags)
        self._behind.set(behind, self._tags)

    def _place(self, partition: Partition) -> dict[str, str]:
        return {**self._tags, "topic": partition.topic, "partition": str(partition.number)}
