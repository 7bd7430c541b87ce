"""What the columns of ``recsys.features.rows`` are logarithms of.

What is known of an item stands in a dozen arrays, and is in no cache. So it is looked up first, in
loops that do nothing else: the processor then waits for many items at once.
"""

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.pool import Cut
from recsys.compiled import compiled
from recsys.features.facts import Facts, Moment
from recsys.features.powers import halve_ages
from recsys.features.windows import crossed

__all__ = ["PRIOR_CLICKS", "take_arguments"]

PRIOR_CLICKS = 2.0
"""Expected clicks for which the average stands in."""
_PRIOR_CROSSED = 3.0
"""The same for an item in a context, where the item's own average stands in."""
_MIX_FLOOR = 0.05
"""Added before the logarithm: where weak sources speak alone they must not decide the order."""
_TINY = 1e-20
"""As in ``recsys.candidates.pool``."""
_RAREST = 1e-30
"""A product of rates is not smaller, nor larger than its inverse: it is kept as float32."""


@compiled
def _take_scores(columns: NDArray[np.float32], scores: NDArray[np.float32], cut: Cut) -> None:
    """Write what the sources' columns are made from, twice ``(n_sources, n_candidates)``."""
    n_sources = scores.shape[0]
    for source in range(n_sources):
        largest, theirs = cut.largest[source], scores[source]
        relative, absolute = columns[source], columns[n_sources + source]
        scale = np.float32(1.0 / largest if largest > _TINY else 0.0)
        for i in range(cut.items.shape[0]):
            place = cut.pooled[i]
            score = theirs[place] if place >= 0 else np.float32(0.0)
            relative[i] = score * scale + np.float32(1e-3)
            absolute[i] = score + np.float32(1e-4)


@compiled
def _age(
    last_ms: NDArray[np.int64], rows: NDArray[np.int32], ts_ms: int, ages: NDArray[np.float64]
) -> None:
    """Write how long ago that was, and not below 0, ``(n_candidates,)``."""
    for i in range(rows.shape[0]):
        ages[i] = max(ts_ms - last_ms[np.uint32(rows[i])], 0)


@compiled
def _times_seen(seen: NDArray[np.int32], item: int) -> int:
    """Return how often an item was shown, see ``recsys.past.Seen``."""
    items, times = seen[0], seen[1]
    total = 0
    for i in range(items.shape[0]):
        total += times[i] if items[i] == item else 0
    return total


@compiled
def _take_windows(
    lifts: NDArray[np.float32],
    shown: NDArray[np.float32],
    facts: Facts,
    items: NDArray[np.int32],
    ages: NDArray[np.float64],
) -> None:
    """Write the lifts of items and how often they were shown, both ``(n_windows, n_candidates)``.

    Parameters
    ----------
    ages
        Of the items' counts.
    """
    n, n_windows = items.shape[0], lifts.shape[0]
    counts = np.empty((3 * n_windows, n), np.float32)
    rows = facts.item_counts.reshape((facts.item_counts.shape[0], 3 * n_windows))
    for place in range(3 * n_windows):
        for i in range(n):
            counts[place, i] = rows[np.uint32(items[i]), place]
    left = np.empty(n)
    for window in range(n_windows):
        halve_ages(ages, facts.half_lives_ms[window], left)
        times, clicked, expected = counts[3 * window : 3 * window + 3]
        lift, often = lifts[window], shown[window]
        for i in range(n):
            often[i] = 1.0 + left[i] * times[i]
            # 1 while nothing is known.
            lift[i] = (left[i] * clicked[i] + PRIOR_CLICKS) / (left[i] * expected[i] + PRIOR_CLICKS)


@compiled
def _take_crossed(
    column: NDArray[np.float32],
    facts: Facts,
    items: NDArray[np.int32],
    moment: Moment,
    rates: NDArray[np.float32],
) -> None:
    """Write the items' rates in a context over their own, the products over the tokens."""
    n, n_tokens = items.shape[0], moment.tokens.shape[0]
    size = n * n_tokens
    rows, ages, left = np.empty(size, np.int32), np.empty(size), np.empty(size)
    clicked, expected = np.empty(size, np.float32), np.empty(size, np.float32)
    for token in range(n_tokens):
        for i in range(n):
            rows[token * n + i] = crossed(items[i], moment.tokens[token], facts.n_crossings)
    for place in range(size):
        counts = facts.crossed_counts[np.uint32(rows[place]), 0]
        clicked[place], expected[place] = counts[1], counts[2]
    _age(facts.crossed_last_ms, rows, moment.ts_ms, ages)
    halve_ages(ages, facts.crossed_half_life_ms, left)
    products = np.ones(n)
    for token in range(n_tokens):
        first = token * n
        fades, clicks, chances = left[first:], clicked[first:], expected[first:]
        for i in range(n):
            prior = _PRIOR_CROSSED * rates[i]
            lift = (fades[i] * clicks[i] + prior) / (
                (fades[i] * chances[i] + _PRIOR_CROSSED) * rates[i]
            )
            # Of what was neither clicked nor expected to be, it is 1.
            products[i] *= lift if (clicks[i] != 0.0) | (chances[i] != 0.0) else 1.0
    for i in range(n):
        column[i] = min(max(products[i], _RAREST), 1.0 / _RAREST)


@compiled
def take_arguments(columns: NDArray[np.float32], facts: Facts, cut: Cut, moment: Moment) -> None:
    """Write what columns are logarithms of, ``(n_common, n_candidates)``; others stay 1."""
    n, n_sources, ts_ms = cut.items.shape[0], facts.scores.shape[0], moment.ts_ms
    n_windows = facts.half_lives_ms.shape[0]
    _take_scores(columns, facts.scores, cut)
    at = 2 * n_sources
    lift, shown = at + 9, at + 9 + n_windows
    items = np.maximum(cut.items, np.int32(0))
    ages, liked, counted = np.empty(n), np.empty(n), np.empty(n)
    _age(facts.created_ms, items, ts_ms, ages)
    _age(facts.last_liked_ms, items, ts_ms, liked)
    _age(facts.item_last_ms, items, ts_ms, counted)
    for i in range(n):
        columns[at, i] = cut.mixed[i] + np.float32(_MIX_FLOOR)
        columns[at + 1, i] = 1.0 + cut.places[i]
        columns[at + 3, i] = 1.0 + ages[i] / 3_600_000.0
        columns[at + 4, i] = 1.0 + liked[i] / 60_000.0
        columns[at + 8, i] = 1.0 + _times_seen(moment.seen, items[i])
    end = shown + n_windows
    _take_windows(columns[lift:shown], columns[shown:end], facts, items, counted)
    _take_crossed(columns[end + n_windows], facts, items, moment, columns[shown - 1])
    for i in range(n):
        # Of an item that the catalogue lacks nothing is known.
        if cut.items[i] < 0:
            columns[at + 2 :, i] = 1.0
