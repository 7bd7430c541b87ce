"""The public event schema: frozen, tagged, nothing unknown accepted.

An event is one immutable fact in a log. The same classes cross HTTP (as JSON or msgpack), sit in
the log, and are folded into the engine's state. ``validate`` holds the limits that types cannot
say; it runs at the edge and again before an event is appended. ``recsys.conform`` holds an event
that was made in Python against the types themselves.
"""

import hashlib
import math
from typing import Final

import msgspec

from recsys.errors import InvalidEvent
from recsys.ids import check_id
from recsys.mixing.events import MixEvent, check_mix
from recsys.moving.events import PartitionIn, PartitionOut, check_move
from recsys.tombstones import Tombstone, UserErase

__all__ = [
    "FEEDBACK_TYPES",
    "MAX_ATTRIBUTES",
    "MAX_FEATURES_BYTES",
    "MAX_NUMBER",
    "MAX_RECORD_BYTES",
    "MAX_SLOTS",
    "MIN_SURVIVAL",
    "Adopt",
    "Attributes",
    "Context",
    "Decision",
    "Event",
    "Feedback",
    "ItemRemove",
    "ItemUpsert",
    "PartitionIn",
    "PartitionOut",
    "Slot",
    "Tombstone",
    "UserErase",
    "check_attributes",
    "check_context",
    "check_ts",
    "digest_of",
    "validate",
]

FEEDBACK_TYPES: Final = (
    "click", "view", "cart", "purchase", "like", "dislike", "skip", "dwell", "rating", "custom",
)  # fmt: skip
MAX_ATTRIBUTES: Final = 64
MAX_CONTEXT: Final = 32
MAX_FEATURES_BYTES: Final = 4096
MAX_NUMBER: Final = 1e6
MIN_SURVIVAL: Final = 0.01
MAX_RECORD_BYTES: Final = 4 << 20
MAX_SLOTS: Final = 1000
MAX_VALUES: Final = 32
MAX_TS_MS: Final = 253_402_300_800_000  # year 10000
MAX_SEQUENCE: Final = 2**63  # a log counts in signed 64 bits

Scalar = str | bool | float
Attributes = dict[str, Scalar | list[str]]
"""An item's attributes: a name to a string, a number, a truth value, or several strings."""
Context = dict[str, Scalar]
"""What the application knows about the moment of a request: device, hour, page, ..."""


class Slot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One place of a served list.

    Attributes
    ----------
    item_id
        The item shown there.
    propensity
        Probability of this item in this slot given the slots above, in (0, 1].
    score
        The score the policy drew from.
    features
        float16 little-endian bytes of the numeric features as served, shape ``(n_features,)``.
    """

    item_id: str
    propensity: float
    score: float = 0.0
    features: bytes = b""


class Decision(
    msgspec.Struct,
    frozen=True,
    tag="decision",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """One served list, written when it was served.

    Attributes
    ----------
    event_id
        The decision id that feedback echoes.
    policy
        Name of the arm that served it (``learner``, ``random``, ``popularity``, ...).
    model_sequence
        Sequence of the last event that the serving model had learned.
    threshold
        The race's threshold tau for item-level estimates, ``None`` when the list was not drawn
        by one race (``recsys.policies.slate``).
    fallback
        Whether the user had liked nothing yet, so that popular items were served.
    features
        float16 little-endian bytes of the features that all slots share, as served.
    """

    event_id: str
    user_id: str
    ts_ms: int
    slots: tuple[Slot, ...]
    policy: str
    context: Context = {}
    model_sequence: int = 0
    threshold: float | None = None
    fallback: bool = False
    features: bytes = b""


class Feedback(
    msgspec.Struct,
    frozen=True,
    tag="feedback",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """What a person did with an item, with or without a decision that showed it.

    Attributes
    ----------
    type
        One of ``FEEDBACK_TYPES``.
    value
        Size of the act in the type's own unit (seconds for ``dwell``, stars for ``rating``);
        ``None`` where the type alone says it.
    decision_id
        The decision that showed the item, if one did.
    survival
        Probability with which the sender sent it on, where it leaves out some events of its kind by
        lot. What it earned counts ``1 / survival`` times, so that sums are right on average; no
        event counts more than ``1 / MIN_SURVIVAL`` times.
    """

    event_id: str
    user_id: str
    ts_ms: int
    type: str
    item_id: str
    value: float | None = None
    decision_id: str | None = None
    context: Context = {}
    survival: float = 1.0


class ItemUpsert(
    msgspec.Struct,
    frozen=True,
    tag="item_upsert",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """An item entered the catalogue or got new attributes (all of them, not a patch)."""

    event_id: str
    ts_ms: int
    item_id: str
    attributes: Attributes = {}


class ItemRemove(
    msgspec.Struct,
    frozen=True,
    tag="item_remove",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """An item left the catalogue and must not be recommended any more."""

    event_id: str
    ts_ms: int
    item_id: str


class Adopt(
    msgspec.Struct,
    frozen=True,
    tag="adopt",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """From here on the shared learner goes on from what a refit made of the log.

    The record is part of the event, so that the log alone determines the state. Made by
    ``recsys.refit``; no route of the HTTP interface takes one.

    Attributes
    ----------
    ts_ms
        The latest time of the log that was learned: adopting closes no list.
    version
        Of the base, counted from 1; the successor of the one that is adopted now.
    choices
        How many choices the shard had learned when the refit ended; later ones are taught again.
    record
        What ``recsys.learners.base.Learner.adopt`` takes.
    digest
        ``digest_of`` the record.
    loss, baseline
        Progressive loss of the record and of the learner that it replaces, on the same choices.
    """

    event_id: str
    ts_ms: int
    version: int
    choices: int
    record: bytes
    digest: str
    loss: float
    baseline: float


Event = (
    Decision
    | Feedback
    | ItemUpsert
    | ItemRemove
    | Adopt
    | UserErase
    | PartitionIn
    | PartitionOut
    | MixEvent
    | Tombstone
)
"""The tagged union of everything a log holds."""


def _check_number(value: float, pointer: str, bound: float = MAX_NUMBER) -> None:
    if not math.isfinite(value):
        raise InvalidEvent(pointer, "a number must be finite")
    if abs(value) > bound:
        raise InvalidEvent(pointer, f"a number lies within ±{bound:g}, got {value:g}")


def _check_scalar(value: Scalar, pointer: str) -> None:
    if isinstance(value, str):
        check_id(value, pointer)
    else:
        _check_number(value, pointer)


def _escape(key: str) -> str:
    """Escape one reference token of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def check_context(context: Context, pointer: str) -> None:
    """Refuse a context with too many, unnamed or non-finite entries."""
    if len(context) > MAX_CONTEXT:
        raise InvalidEvent(pointer, f"at most {MAX_CONTEXT} entries, got {len(context)}")
    for key, value in context.items():
        where = f"{pointer}/{_escape(key)}"
        check_id(key, where)
        _check_scalar(value, where)


def check_attributes(attributes: Attributes, pointer: str) -> None:
    """Refuse attributes with too many, unnamed or non-finite entries."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidEvent(pointer, f"at most {MAX_ATTRIBUTES} attributes, got {len(attributes)}")
    for key, value in attributes.items():
        where = f"{pointer}/{_escape(key)}"
        check_id(key, where)
        if isinstance(value, list):
            if len(value) > MAX_VALUES:
                raise InvalidEvent(where, f"at most {MAX_VALUES} values, got {len(value)}")
            for place, entry in enumerate(value):
                check_id(entry, f"{where}/{place}")
        else:
            _check_scalar(value, where)


def _check_slots(slots: tuple[Slot, ...], pointer: str) -> None:
    if len(slots) > MAX_SLOTS:
        raise InvalidEvent(pointer, f"at most {MAX_SLOTS} slots, got {len(slots)}")
    for place, slot in enumerate(slots):
        check_id(slot.item_id, f"{pointer}/{place}/item_id")
        if not 0.0 < slot.propensity <= 1.0:
            raise InvalidEvent(
                f"{pointer}/{place}/propensity", f"must lie in (0, 1], got {slot.propensity}"
            )
        _check_number(slot.score, f"{pointer}/{place}/score")
        if len(slot.features) > MAX_FEATURES_BYTES:
            detail = f"at most {MAX_FEATURES_BYTES} bytes, got {len(slot.features)}"
            raise InvalidEvent(f"{pointer}/{place}/features", detail)


def _check_feedback(event: Feedback, pointer: str) -> None:
    check_id(event.user_id, f"{pointer}/user_id")
    check_id(event.item_id, f"{pointer}/item_id")
    if event.type not in FEEDBACK_TYPES:
        expected = ", ".join(FEEDBACK_TYPES)
        raise InvalidEvent(f"{pointer}/type", f"must be one of {expected}; got {event.type!r}")
    if event.value is not None:
        _check_number(event.value, f"{pointer}/value")
    if event.decision_id is not None:
        check_id(event.decision_id, f"{pointer}/decision_id")
    check_context(event.context, f"{pointer}/context")
    if not MIN_SURVIVAL <= event.survival <= 1.0:
        detail = f"must lie in [{MIN_SURVIVAL}, 1], got {event.survival}"
        raise InvalidEvent(f"{pointer}/survival", detail)


def _check_decision(event: Decision, pointer: str) -> None:
    check_id(event.user_id, f"{pointer}/user_id")
    check_id(event.policy, f"{pointer}/policy")
    check_context(event.context, f"{pointer}/context")
    _check_slots(event.slots, f"{pointer}/slots")
    if not 0 <= event.model_sequence < MAX_SEQUENCE:
        detail = f"must lie in 0..2^63 - 1, got {event.model_sequence}"
        raise InvalidEvent(f"{pointer}/model_sequence", detail)
    if event.threshold is not None:
        _check_number(event.threshold, f"{pointer}/threshold", bound=math.inf)
    if len(event.features) > MAX_FEATURES_BYTES:
        detail = f"at most {MAX_FEATURES_BYTES} bytes, got {len(event.features)}"
        raise InvalidEvent(f"{pointer}/features", detail)


def digest_of(record: bytes) -> str:
    """Return the name of a record: BLAKE2b, 16 bytes in hexadecimal."""
    return hashlib.blake2b(record, digest_size=16).hexdigest()


def _check_adopt(event: Adopt, pointer: str) -> None:
    for name, value, least in (("version", event.version, 1), ("choices", event.choices, 0)):
        if not least <= value < MAX_SEQUENCE:
            raise InvalidEvent(f"{pointer}/{name}", f"must lie in {least}..2^63 - 1, got {value}")
    if len(event.record) > MAX_RECORD_BYTES:
        detail = f"at most {MAX_RECORD_BYTES} bytes, got {len(event.record)}"
        raise InvalidEvent(f"{pointer}/record", detail)
    if event.digest != digest_of(event.record):
        raise InvalidEvent(f"{pointer}/digest", "is not that of the record")
    _check_number(event.loss, f"{pointer}/loss")
    _check_number(event.baseline, f"{pointer}/baseline")


def check_ts(ts_ms: int, pointer: str) -> None:
    """Refuse a time before 1970 or after the year 9999."""
    if not 0 <= ts_ms < MAX_TS_MS:
        raise InvalidEvent(pointer, "must lie between the years 1970 and 9999")


def validate(event: Event, pointer: str = "") -> None:
    """Hold an event against every limit of this module.

    Parameters
    ----------
    pointer
        JSON pointer of the event inside the document that carried it.

    Raises
    ------
    InvalidEvent
        Naming the first field that breaks a limit.
    """
    check_id(event.event_id, f"{pointer}/event_id")
    check_ts(event.ts_ms, f"{pointer}/timestamp")
    match event:
        case Decision():
            _check_decision(event, pointer)
        case Feedback():
            _check_feedback(event, pointer)
        case ItemUpsert():
            check_id(event.item_id, f"{pointer}/item_id")
            check_attributes(event.attributes, f"{pointer}/attributes")
        case ItemRemove():
            check_id(event.item_id, f"{pointer}/item_id")
        case Adopt():
            _check_adopt(event, pointer)
        case PartitionIn() | PartitionOut():
            check_move(event, pointer)
        case UserErase():
            check_id(event.user_id, f"{pointer}/user_id")
        case Tombstone():
            raise InvalidEvent(pointer, "only a store makes tombstones")
        case _:
            check_mix(event, pointer)
