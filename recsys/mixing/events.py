"""The events by which a shard learns of the others; part of ``recsys.events.Event``.

No interface takes them from outside.
"""

from typing import Final

import msgspec

from recsys.errors import InvalidEvent
from recsys.ids import check_id

__all__ = ["MAX_MIX_BYTES", "Averaged", "MixEvent", "Mixed", "Mixing", "Rebased", "check_mix"]

MAX_MIX_BYTES: Final = 8 << 20
_MAX_SEQUENCE: Final = 2**63
_MOST_PARTS: Final = 256


class Mixing(
    msgspec.Struct,
    frozen=True,
    tag="mixing",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """From here on this log's shard writes down its lessons for others, under a name.

    A shard that began as a copy of another gets its own name by one: it knows then all that it
    learned under the former one.

    Attributes
    ----------
    ts_ms
        The latest time of the log: mixing closes no list.
    shard
        The name, empty for one that no longer mixes.
    released
        Up to this sequence of this log all others have its lessons.
    """

    event_id: str
    ts_ms: int
    shard: str
    released: int = 0


class Mixed(
    msgspec.Struct,
    frozen=True,
    tag="mixed",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """Lessons of another shard.

    Attributes
    ----------
    shard
        Whose.
    after, upto
        They are all those of the sequences ``(after, upto]`` of its log.
    released
        See ``Mixing``.
    record
        A ``recsys.mixing.lessons.Lessons`` as ``recsys.mixing.wire`` writes it; empty where the
        shard goes on without them.
    """

    event_id: str
    ts_ms: int
    shard: str
    after: int
    upto: int
    released: int = 0
    record: bytes = b""


class Averaged(
    msgspec.Struct,
    frozen=True,
    tag="averaged",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """What brings the ranker to the average of all shards' rankers.

    Attributes
    ----------
    version
        The successor of the one that the ranker had when it was reported.
    record
        What ``recsys.learners.base.Learner.shift`` takes.
    examples
        How many examples the shard had learned when it was reported; one that is merged
        is taught later ones again.
    """

    event_id: str
    ts_ms: int
    version: int
    record: bytes
    examples: int = 0


class Rebased(
    msgspec.Struct,
    frozen=True,
    tag="rebased",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """A part of what another shard knows of items, for one that missed too much.

    The last part replaces all that is shared; the first one begins anew what was broken off.

    Attributes
    ----------
    shard
        Who knew it.
    number, last
        Counted from 0.
    record
        Some bytes of a ``recsys.mixing.base.Base``.
    """

    event_id: str
    ts_ms: int
    shard: str
    number: int
    last: bool
    record: bytes


MixEvent = Mixing | Mixed | Averaged | Rebased


def check_mix(event: MixEvent, pointer: str) -> None:
    """Hold an event against the limits of its numbers and sizes.

    Raises
    ------
    InvalidEvent
        Naming the first field that breaks a limit.
    """
    match event:
        case Mixing():
            if event.shard:
                check_id(event.shard, f"{pointer}/shard")
            _check_number(event.released, 0, f"{pointer}/released")
            return
        case Mixed():
            check_id(event.shard, f"{pointer}/shard")
            _check_number(event.released, 0, f"{pointer}/released")
            _check_number(event.after, 0, f"{pointer}/after")
            _check_number(event.upto, event.after + 1, f"{pointer}/upto")
        case Averaged():
            _check_number(event.version, 1, f"{pointer}/version")
            _check_number(event.examples, 0, f"{pointer}/examples")
        case Rebased():
            check_id(event.shard, f"{pointer}/shard")
            _check_number(event.number, 0, f"{pointer}/number")
            if event.number >= _MOST_PARTS:
                raise InvalidEvent(f"{pointer}/number", f"must be below {_MOST_PARTS}")
    if len(event.record) > MAX_MIX_BYTES:
        detail = f"at most {MAX_MIX_BYTES} bytes, got {len(event.record)}"
        raise InvalidEvent(f"{pointer}/record", detail)


def _check_number(value: int, least: int, pointer: str) -> None:
    if not least <= value < _MAX_SEQUENCE:
        raise InvalidEvent(pointer, f"must lie in {least}..2^63 - 1, got {value}")
