"""From the rows of a file to the events that a server would have got.

Ids are the file's and the row's, so that whoever sends or learns the same file again adds nothing,
whichever way it went the first time.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from recsys.datasets.interactions import Interaction
from recsys.events import Attributes, Feedback, ItemUpsert

__all__ = ["Act", "act_of", "event_id_of", "feedback_of", "with_items"]


class Act(NamedTuple):
    """What a row says that somebody did: type and value of the feedback."""

    type: str
    value: float | None


def act_of(interaction: Interaction, click_at: float) -> Act:
    """Return what a row says, where it names no type by its rating.

    Parameters
    ----------
    click_at
        Ratings from here on are clicks, lower ones are feedback of the type ``rating``; a row
        without a rating is a click.
    """
    if interaction.type is not None:
        return Act(interaction.type, interaction.rating)
    if interaction.rating is None or interaction.rating >= click_at:
        return Act("click", None)
    return Act("rating", interaction.rating)


def event_id_of(interaction: Interaction, source: str) -> str:
    """Return the id of a row's event.

    Parameters
    ----------
    source
        Stands for the content of the file (``recsys.datasets.fingerprint``).
    """
    return f"{source}-{interaction.line}"


def feedback_of(interaction: Interaction, source: str, click_at: float) -> Feedback:
    """Return the event of a row; see ``act_of`` and ``event_id_of``."""
    act = act_of(interaction, click_at)
    return Feedback(
        event_id=event_id_of(interaction, source),
        user_id=interaction.user,
        ts_ms=interaction.ts_ms,
        type=act.type,
        item_id=interaction.item,
        value=act.value,
    )


def with_items(
    interactions: Sequence[Interaction], items: Mapping[str, Attributes], source: str
) -> Iterator[Interaction | ItemUpsert]:
    """Yield the rows, and each item just before the first row that names it; the others at last.

    A file of items names no times. Had all of them been there from the start, none would be new;
    so an item is as old as what is known of it, and one that nobody has touched is the newest.

    Parameters
    ----------
    interactions
        Sorted by time.
    source
        Stands for the content of the file of items.
    """
    waiting = {
        item_id: ItemUpsert(
            event_id=f"{source}-item-{place}", ts_ms=0, item_id=item_id, attributes=attributes
        )
        for place, (item_id, attributes) in enumerate(items.items(), start=1)
    }
    for interaction in interactions:
        if (upsert := waiting.pop(interaction.item, None)) is not None:
            yield _at(upsert, interaction.ts_ms)
        yield interaction
    last_ms = interactions[-1].ts_ms if interactions else 0
    for upsert in waiting.values():
        yield _at(upsert, last_ms)


def _at(upsert: ItemUpsert, ts_ms: int) -> ItemUpsert:
    return msgspec.structs.replace(upsert, ts_ms=ts_ms)
