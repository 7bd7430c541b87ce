"""What the engine shows of itself: plain structs for people, consoles and metrics."""

import msgspec

__all__ = [
    "ArmStats",
    "Base",
    "DriftStats",
    "MemoryStats",
    "RecentItem",
    "Stats",
    "Taste",
    "UserView",
]


class RecentItem(msgspec.Struct, frozen=True):
    """An item of a person's history."""

    item_id: str
    ts_ms: int


class Taste(msgspec.Struct, frozen=True):
    """What the personal bandit believes about one attribute: posterior mean and deviation."""

    attribute: str
    mean: float
    deviation: float


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """A person's own state.

    Attributes
    ----------
    recent
        Newest first.
    tastes
        Strongest first.
    """

    user_id: str
    arm: str
    events: int
    shown: int
    clicks: int
    last_seen_ms: int
    recent: tuple[RecentItem, ...]
    tastes: tuple[Taste, ...]


class ArmStats(msgspec.Struct, kw_only=True):
    """Counts of one arm since the log began.

    Attributes
    ----------
    shown
        Slots served.
    clicks
        Slots that earned positive feedback, each once; ``clicks / shown`` is the click rate.
    """

    decisions: int = 0
    shown: int = 0
    clicks: int = 0
    reward: float = 0.0


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """What the shared learner goes on from; version 0 before the first refit was adopted.

    Attributes
    ----------
    digest
        Of the record, see ``recsys.events.Adopt``.
    sequence, ts_ms
        The adoption's place in the log, and the time of the log that was learned.
    loss, baseline
        Progressive loss of the record and of the learner that it replaced, in nats per choice.
    """

    version: int = 0
    digest: str = ""
    sequence: int = 0
    ts_ms: int = 0
    loss: float = 0.0
    baseline: float = 0.0


class DriftStats(msgspec.Struct):
    """Alarms of the drift detectors since the log began.

    Attributes
    ----------
    alarms
        By scope and signal: ``user_clicks``, ``shard_clicks``, ``shard_loss``.
    last_ms
        Event time of the last one, 0 before the first.
    """

    alarms: dict[str, int] = {}
    last_ms: int = 0


class MemoryStats(msgspec.Struct, frozen=True, kw_only=True):
    """What the forgetting meter says, in nats per choice; ``None`` before it knows.

    Attributes
    ----------
    recent_loss
        Of the ranker on the latest choices, each before it was learned.
    old_loss
        On the slice of old choices, now.
    old_loss_when_new
        On the same, each before it was learned: what ``old_loss`` rises above is forgotten.
    old_choices
        How many choices the slice holds.
    """

    recent_loss: float | None = None
    old_loss: float | None = None
    old_loss_when_new: float | None = None
    old_choices: int = 0


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Counters and sizes of one engine.

    Attributes
    ----------
    sequence, snapshot_sequence
        Last event learned; last event in the snapshot.
    pending
        Decisions inside their reward window.
    evicted
        What each bounded buffer has dropped so far, by buffer.
    unmatched
        Feedback that named a decision which was not waiting, or was somebody else's, or did not
        show the item; it was learned as feedback without one.
    resets
        Personal River models begun anew, see ``recsys.learners.user_model``.
    failed
        Events that raised while being learned (they stay in the log; see the dead letters).
    quarantined
        Events that were taken out of the log because they had made the model not finite, or by an
        operator.
    lost
        Acknowledged events that were damaged on the disk and given up by the operator's order.
    base
        The refit that was adopted last.
    found_share
        Probability with which what somebody finds by themselves is a lesson for the ranker now.
        What is shown always is one: an overloaded server refuses events, it learns all it takes.
    """

    sequence: int
    snapshot_sequence: int
    items: int
    users_in_memory: int
    feedback: dict[str, int]
    arms: dict[str, ArmStats]
    examples: int
    replayed: int
    replay_size: int
    pending: int
    evicted: dict[str, int]
    unmatched: int = 0
    resets: int = 0
    failed: int
    lost: int = 0
    quarantined: int = 0
    found_share: float = 1.0
    base: Base = Base()
    memory: MemoryStats = MemoryStats()
    drift: DriftStats = msgspec.field(default_factory=DriftStats)
