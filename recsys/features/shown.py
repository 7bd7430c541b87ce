"""Counts what lists show, by item and by its attributes, in compiled code."""

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled
from recsys.features.facts import Facts
from recsys.features.windows import SHOWN, count_one

__all__ = ["show", "show_one"]


@compiled
def show_one(facts: Facts, item: int, ts_ms: int, weight: float, fades: bool) -> None:
    """Count a slot for an item and for each of its attributes.

    Parameters
    ----------
    fades
        See ``recsys.features.windows.count_one``.
    """
    half_lives_ms, counts, last_ms = facts.half_lives_ms, facts.item_counts, facts.item_last_ms
    facts.shown[item] += weight
    count_one(counts, last_ms, half_lives_ms, item, SHOWN, ts_ms, weight, fades)
    attributes = facts.attributes[item]
    counts, last_ms = facts.attribute_counts, facts.attribute_last_ms
    for place in range(attributes.shape[0]):
        if attributes[place] < 0:
            break
        count_one(counts, last_ms, half_lives_ms, attributes[place], SHOWN, ts_ms, weight, fades)


@compiled
def show(facts: Facts, items: NDArray[np.int32], ts_ms: int, new_below: float) -> int:
    """Count what a list shows.

    Returns
    -------
    How many of the items were shown fewer than ``new_below`` times before.
    """
    new = 0
    for i in range(items.shape[0]):
        new += facts.shown[items[i]] < new_below
    for i in range(items.shape[0]):
        show_one(facts, items[i], ts_ms, 1.0, False)
    return new
