"""What a shard tells of its work, so that metrics can be attached without the shard knowing them.

``actors.metrics`` implements this on Ray's metrics; a shard without one uses ``Silent``.
"""

from typing import Literal, Protocol

from typing_extensions import override

__all__ = ["Observer", "Reason", "Silent"]

Reason = Literal["invalid", "overloaded", "store"]
"""Why events were not taken: a broken limit, a full queue, a store that could not write."""


class Observer(Protocol):
    """Called from the shard's event loop; must return at once and never raise."""

    def on_recommend(self, arm: str, seconds: float, *, fallback: bool) -> None:
        """Count one recommendation, which took the engine ``seconds``."""
        ...

    def on_commit(self, events: int, seconds: float) -> None:
        """Count one group commit of ``events`` events, which took the store ``seconds``."""
        ...

    def on_folded(self, events: int, seconds: float) -> None:
        """Count ``events`` learned, ``seconds`` after the gateway received them."""
        ...

    def on_rejected(self, reason: Reason, events: int) -> None:
        """Count ``events`` that were not taken; decisions count as events."""
        ...

    def on_snapshot(self, seconds: float) -> None:
        """Count one snapshot, which took ``seconds`` to capture and commit."""
        ...

    def on_round(self) -> None:
        """Hear, every few seconds, that there is time to tell what was counted."""
        ...

    def on_reset(self, events: int) -> None:
        """Count that the model was replaced by its last good snapshot, without ``events``."""
        ...

    def on_disk(self, free: int) -> None:
        """Take in how many bytes are free where the store lies."""
        ...

    def on_copy(self, seconds: float | None) -> None:
        """Count one copy of the store that took ``seconds``, ``None`` for one that failed."""
        ...


class Silent(Observer):
    """Ignores everything."""

    @override
    def on_recommend(self, arm: str, seconds: float, *, fallback: bool) -> None:
        pass

    @override
    def on_commit(self, events: int, seconds: float) -> None:
        pass

    @override
    def on_folded(self, events: int, seconds: float) -> None:
        pass

    @override
    def on_rejected(self, reason: Reason, events: int) -> None:
        pass

    @override
    def on_snapshot(self, seconds: float) -> None:
        pass

    @override
    def on_round(self) -> None:
        pass

    @override
    def on_reset(self, events: int) -> None:
        pass

    @override
    def on_disk(self, free: int) -> None:
        pass

    @override
    def on_copy(self, seconds: float | None) -> None:
        pass
