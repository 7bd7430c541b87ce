"""What a shard's side of Kafka tells of its work, so that metrics can be attached."""

from typing import Protocol

from typing_extensions import override

from actors.kafka.base import Partition
from actors.kafka.records import Cause

__all__ = ["KafkaObserver", "SilentKafka"]


class KafkaObserver(Protocol):
    """Called from the shard's event loop; must return at once and never raise."""

    def on_records(self, topic: str, records: int) -> None:
        """Count records that were read and are settled: learned, skipped or put aside."""
        ...

    def on_dead_letter(self, cause: Cause) -> None:
        """Count a record that was put aside."""
        ...

    def on_lag(self, partition: Partition, records: int) -> None:
        """Take how far reading is behind."""
        ...

    def on_gap(self, partition: Partition, *, open_: bool) -> None:
        """Take whether a partition is not read any further."""
        ...

    def on_reconnect(self) -> None:
        """Count a connection that was lost, or could not be made."""
        ...

    def on_decisions(self, published: int, behind: int) -> None:
        """Count decisions that were published; take how many events are to be looked through."""
        ...


class SilentKafka(KafkaObserver):
    """Ignores everything."""

    @override
    def on_records(self, topic: str, records: int) -> None:
        pass

    @override
    def on_dead_letter(self, cause: Cause) -> None:
        pass

    @override
    def on_lag(self, partition: Partition, records: int) -> None:
        pass

    @override
    def on_gap(self, partition: Partition, *, open_: bool) -> None:
        pass

    @override
    def on_reconnect(self) -> None:
        pass

    @override
    def on_decisions(self, published: int, behind: int) -> None:
        pass
