"""Counts what a list shows by one compiled call."""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled
from recsys.features.facts import Facts
from recsys.features.windows import SHOWN, count_one

__all__ = ["show"]


@compiled
def show(facts: Facts, items: NDArray[np.int32], ts_ms: int, new_below: float) -> int:
    """Count a slot for each item, by item and by its attributes.

    Returns
    -------
    How many of the items were shown fewer than ``new_below`` times before.
    """
    new = 0
    for i in range(items.shape[0]):
        new += facts.shown[items[i]] < new_below
    half_lives_ms, attributes = facts.half_lives_ms, facts.attributes
    for i in range(items.shape[0]):
        item = items[i]
        facts.shown[item] += 1.0
        count_one(facts.item_counts, facts.item_last_ms, half_lives_ms, item, SHOWN, ts_ms, 1.0)
        for place in range(attributes.shape[1]):
            token = attributes[item, place]
            if token < 0:
                break
            count_one(
                facts.attribute_counts,
                facts.attribute_last_ms,
                half_lives_ms,
                token,
                SHOWN,
                ts_ms,
                1.0,
            )
    return new
