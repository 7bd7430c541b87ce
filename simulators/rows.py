"""From the row of a file to the event that is sent, and from a refusal back to the row."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from recsys.client import NewFeedback
from recsys.datasets import Interaction, act_of, event_id_of
from recsys.errors import ApiError

__all__ = ["feedback_of", "refused_line"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS_FROM_MS: Final = 100_000_000_000
"""March 1973. A server takes a smaller number for a time in seconds and refuses it."""
_PLACE: Final = re.compile(r"(?:^|\()/(\d+)\b")
"""The place in the batch, from the pointer in a refusal."""


def feedback_of(interaction: Interaction, source: str, click_at: float) -> NewFeedback:
    """Return the event of a row; its id is the file's and the row's.

    Parameters
    ----------
    source
        Stands for the content of the file (``recsys.datasets.fingerprint``).
    """
    act = act_of(interaction, click_at)
    return NewFeedback(
        type=act.type,
        user_id=interaction.user,
        item_id=interaction.item,
        event_id=event_id_of(interaction, source),
        value=act.value,
        timestamp=_timestamp(interaction.ts_ms),
    )


def _timestamp(ts_ms: int) -> int | str:
    if ts_ms >= _NUMBERS_FROM_MS:
        return ts_ms
    return (_EPOCH + timedelta(milliseconds=ts_ms)).isoformat(timespec="milliseconds")


def refused_line(error: ApiError, rows: Sequence[Interaction]) -> int | None:
    """Return the line of the row that a refusal of the batch ``rows`` names, if it names one."""
    found = _PLACE.search(error.detail)
    place = int(found[1]) if found else len(rows)
    return rows[place].line if place < len(rows) else None
