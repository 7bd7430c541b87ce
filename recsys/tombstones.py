"""The events by which something leaves a log: a person's erasure, and what is left of an event.

Part of the public schema: ``recsys.events`` has them in its union.
"""

from typing import Final, Literal

import msgspec

__all__ = ["BURIED", "Cause", "Tombstone", "UserErase"]

Cause = Literal["erased", "poison", "quarantined", "contained"]
"""Why an event was taken out: a person was erased; it had broken the model, which was not finite
afterwards or raised; an operator did not want it; a snapshot contains what others taught by it."""
BURIED: Final = -1
"""Content of an event that was taken out of the log: whatever comes under its id is its repeat."""


class UserErase(
    msgspec.Struct,
    frozen=True,
    tag="user_erase",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """A person is to be forgotten: all that is kept of them up to here.

    What comes later under the same id is a stranger's.

    Attributes
    ----------
    event_id
        The receipt, see ``recsys.store.records.Erasure``.
    """

    event_id: str
    user_id: str
    ts_ms: int


class Tombstone(
    msgspec.Struct,
    frozen=True,
    tag="tombstone",
    tag_field="kind",
    kw_only=True,
    forbid_unknown_fields=True,
):
    """What a store leaves in the place of an event that was taken out of its log.

    It keeps the sequence without a gap and teaches nothing. Only stores make them.

    Attributes
    ----------
    event_id
        The key, in hexadecimal, under which the id of the event is still remembered, so that it is
        not taken a second time; the id itself is gone.
    ts_ms
        Always 0: when it happened is gone, too.
    """

    event_id: str
    ts_ms: int = 0
    cause: Cause
