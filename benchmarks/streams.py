"""Streams of events to send: drawn, or recorded."""

from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import numpy as np

from benchmarks.crowd import items_of
from recsys.client import Item, NewFeedback
from recsys.datasets import fingerprint, read_interactions, read_items
from simulators.catalogue import Catalogue
from simulators.replay import ReplaySettings, feedback_of

__all__ = ["Stream", "recorded", "synthetic"]

_PEOPLE: Final = 500
_ITEMS: Final = 1000


class Stream(NamedTuple):
    """Items, to be put first, and events."""

    items: list[Item]
    events: list[NewFeedback]


def synthetic(events: int, seed: int) -> Stream:
    """Draw clicks: some people and some items come far more often than others."""
    catalogue = Catalogue.make(_ITEMS, np.random.default_rng(seed))
    rng = Random(seed)
    people, items = ([1.0 / (place + 1.0) for place in range(n)] for n in (_PEOPLE, _ITEMS))
    whose = rng.choices(range(_PEOPLE), people, k=events)
    which = rng.choices(catalogue.ids, items, k=events)
    drawn = [
        NewFeedback(
            type="click",
            user_id=f"reader-{person}",
            item_id=item_id,
            event_id=f"drawn-{seed}-{number}",
        )
        for number, (person, item_id) in enumerate(zip(whose, which, strict=True))
    ]
    return Stream(items_of(catalogue), drawn)


def recorded(data: Path, events: int) -> Stream:
    """Return the oldest events of a file or folder, as ``clickstream replay`` would send them.

    Raises
    ------
    InvalidDataset
        When it cannot be read.
    """
    source = fingerprint(data)
    rows = read_interactions(data)[:events]
    attributes = read_items(data) if data.is_dir() else None
    return Stream(
        [Item(*pair) for pair in (attributes or {}).items()],
        [feedback_of(row, source, ReplaySettings().click_at) for row in rows],
    )
