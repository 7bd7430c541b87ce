"""The inner loops of ``recsys.features.table``: one pass over the candidates, one for the rest."""

import math

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.pool import Cut
from recsys.compiled import compiled
from recsys.features.facts import Facts, Moment
from recsys.features.half import round_to_half
from recsys.features.logs import take_logarithms
from recsys.features.windows import crossed
from recsys.learners.taste_kernels import TASTE_COLUMNS, Known, Posterior
from recsys.learners.taste_kernels import describe as describe_tastes

__all__ = ["describe", "halve", "write"]

_PRIOR_CLICKS = 2.0
"""Expected clicks for which the average stands in."""
_PRIOR_CROSSED = 3.0
"""The same for an item in a context, where the item's own average stands in."""
_NEVER = 15.0
"""Logarithm of six years in minutes: since an item was liked that never was."""

_MIX_FLOOR = 0.05
"""Added before the logarithm: where weak sources speak alone they must not decide the order."""
_TINY = 1e-20
"""As in ``recsys.candidates.pool``."""
_DAY_MS = 86_400_000.0
_SESSION_MS = 1_800_000
_LARGEST = 65504.0
"""Of float16."""
_RAREST = 1e-30
"""A product of rates is not smaller, nor larger than its inverse: it is kept as float32."""
_LATELY = 64
"""Attributes whose lifts are kept within a request: candidates have the same few."""


@compiled
def _lift(
    counts: NDArray[np.float32],
    key: int,
    window: int,
    fade: float,
) -> float:
    """Return a key's clicks over its expected clicks, 1 while nothing is known."""
    if counts[key, window, 1] == 0.0 and counts[key, window, 2] == 0.0:
        return 1.0
    clicked = fade * counts[key, window, 1] + _PRIOR_CLICKS
    lift: float = clicked / (fade * counts[key, window, 2] + _PRIOR_CLICKS)
    return lift


@compiled
def _crossed_lift(
    counts: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    n_rows: int,
    half_life_ms: float,
    item: int,
    tokens: NDArray[np.int64],
    rate: float,
    ts_ms: int,
) -> np.float32:
    """Return an item's rate in a context over its own, the product over the tokens."""
    product = 1.0
    for i in range(tokens.shape[0]):
        row = crossed(item, tokens[i], n_rows)
        # Of what was neither clicked nor expected to be, it is 1.
        if counts[row, 0, 1] != 0.0 or counts[row, 0, 2] != 0.0:
            fade = 2.0 ** (-max(ts_ms - last_ms[row], 0) / half_life_ms)
            clicked = fade * counts[row, 0, 1] + _PRIOR_CROSSED * rate
            product *= clicked / ((fade * counts[row, 0, 2] + _PRIOR_CROSSED) * rate)
    return np.float32(min(max(product, _RAREST), 1.0 / _RAREST))


@compiled
def _times_seen(seen: NDArray[np.int32], item: int) -> int:
    """Return how often an item was shown, see ``recsys.past.Seen``."""
    items, times = seen[0], seen[1]
    total = 0
    for i in range(items.shape[0]):
        total += times[i] if items[i] == item else 0
    return total


@compiled
def _take_arguments(columns: NDArray[np.float32], facts: Facts, cut: Cut, moment: Moment) -> None:
    """Write what the columns are logarithms of, ``(n_common, n_candidates)``, or 1."""
    scores, candidates, largest = facts.scores, cut.items, cut.largest
    created_ms, last_liked_ms = facts.created_ms, facts.last_liked_ms
    item_counts, item_last_ms = facts.item_counts, facts.item_last_ms
    half_lives_ms, ts_ms = facts.half_lives_ms, moment.ts_ms
    n, n_sources, n_windows = candidates.shape[0], scores.shape[0], half_lives_ms.shape[0]
    for source in range(n_sources):
        scale = np.float32(1.0 / largest[source] if largest[source] > _TINY else 0.0)
        for i in range(n):
            place = cut.pooled[i]
            score = scores[source, place] if place >= 0 else np.float32(0.0)
            columns[source, i] = score * scale + np.float32(1e-3)
            columns[n_sources + source, i] = score + np.float32(1e-4)
    at = 2 * n_sources
    for i in range(n):
        item = candidates[i]
        columns[at, i] = cut.mixed[i] + np.float32(_MIX_FLOOR)
        columns[at + 1, i] = 1.0 + cut.places[i]
        if item < 0:
            continue
        columns[at + 3, i] = 1.0 + max(ts_ms - created_ms[item], 0) / 3_600_000.0
        columns[at + 4, i] = 1.0 + max(ts_ms - last_liked_ms[item], 0) / 60_000.0
        columns[at + 8, i] = 1.0 + _times_seen(moment.seen, item)
        lift, shown = at + 9, at + 9 + n_windows
        age_ms = max(ts_ms - item_last_ms[item], 0)
        for window in range(n_windows):
            # Of an item that was neither shown nor clicked all of them are 0.
            if item_counts[item, window].any():
                fade = 2.0 ** (-age_ms / half_lives_ms[window])
                columns[lift + window, i] = _lift(item_counts, item, window, fade)
                columns[shown + window, i] = 1.0 + fade * item_counts[item, window, 0]
        columns[at + 9 + 3 * n_windows, i] = _crossed_lift(
            facts.crossed_counts,
            facts.crossed_last_ms,
            facts.n_crossings,
            facts.crossed_half_life_ms,
            item,
            moment.tokens,
            columns[shown - 1, i],
            ts_ms,
        )


@compiled
def _fill_others(rows: NDArray[np.float32], facts: Facts, cut: Cut, moment: Moment) -> None:
    """Write the columns that are no logarithms of something, or of more than one thing."""
    candidates, attributes = cut.items, facts.attributes
    log_liked, last_liked_ms = facts.log_liked, facts.last_liked_ms
    usual_pause, usual_depth, averaged = facts.usual_pause, facts.usual_depth, facts.averaged
    half_lives_ms, ts_ms, n_past = facts.half_lives_ms, moment.ts_ms, moment.times_ms.shape[0]
    n_windows, n_tokens = half_lives_ms.shape[0], max(moment.tokens.shape[0], 1)
    pause_ms = max(ts_ms - moment.times_ms[n_past - 1], 0) if n_past else -1
    log_pause = math.log1p(pause_ms / 1000.0) if pause_ms >= 0 else -1.0
    known = np.full(_LATELY, -1, np.int32)
    lifts = np.empty((_LATELY, n_windows))
    total = np.empty(n_windows)
    at = 2 * facts.scores.shape[0]
    for i in range(candidates.shape[0]):
        item = candidates[i]
        if item < 0 or last_liked_ms[item] <= 0:
            rows[i, at + 4] = _NEVER
        if item < 0:
            continue
        rows[i, at + 2] = log_liked[item]
        rows[i, at + 5] = usual_pause[item]
        rows[i, at + 6] = usual_depth[item]
        if pause_ms >= 0 and averaged[item] > 0.0:
            rows[i, at + 7] = abs(log_pause - usual_pause[item])
        count = 0
        total[:] = 0.0
        for place_of_token in range(attributes.shape[1]):
            token = attributes[item, place_of_token]
            if token < 0:
                break
            place = token % _LATELY
            if known[place] != token:
                known[place] = token
                age_ms = max(ts_ms - facts.attribute_last_ms[token], 0)
                for window in range(n_windows):
                    fade = 2.0 ** (-age_ms / half_lives_ms[window])
                    lift = _lift(facts.attribute_counts, token, window, fade)
                    lifts[place, window] = math.log(lift)
            for window in range(n_windows):
                total[window] += lifts[place, window]
            count += 1
        last = at + 9 + 2 * n_windows
        for window in range(n_windows):
            rows[i, last + window] = total[window] / max(count, 1)
        rows[i, last + n_windows] /= n_tokens


@compiled
def fill_rows(rows: NDArray[np.float32], facts: Facts, cut: Cut, moment: Moment) -> None:
    """Write the columns up to those of the personal models, in the order of the table.

    An item -1 is one that the catalogue lacks, and is described as one that no source speaks for
    and that nobody has liked.
    """
    n = cut.items.shape[0]
    n_common = 2 * facts.scores.shape[0] + 10 + 3 * facts.half_lives_ms.shape[0]
    # A column after the other, so that one loop has them all.
    columns = np.ones((n_common, n), np.float32)
    _take_arguments(columns, facts, cut, moment)
    take_logarithms(columns.reshape(-1))
    for i in range(n):
        for column in range(n_common):
            rows[i, column] = columns[column, i]
    _fill_others(rows, facts, cut, moment)


@compiled
def _bound(rows: NDArray[np.float32], first: int, end: int) -> None:
    """Keep columns within what float16 holds; NaN stays."""
    for i in range(rows.shape[0]):
        for column in range(first, end):
            if rows[i, column] > _LARGEST:
                rows[i, column] = _LARGEST
            elif rows[i, column] < -_LARGEST:
                rows[i, column] = -_LARGEST


@compiled
def _fill_tastes(
    rows: NDArray[np.float32],
    first: int,
    posterior: Posterior | None,
    known: Known,
    items: NDArray[np.int32],
    base: float,
) -> None:
    """Write the columns of the personal bandit if there is one; ``None`` has to be an argument."""
    if posterior is not None:
        describe_tastes(posterior, known, items, base, rows, first)
        _bound(rows, first, first + TASTE_COLUMNS)


@compiled
def fill_shared(values: NDArray[np.float32], moment: Moment, largest: NDArray[np.float32]) -> None:
    """Write the features of a request.

    Parameters
    ----------
    largest
        Maxima of the sources' scores, ``(n_columns,)``.
    """
    times_ms, ts_ms, base = moment.times_ms, moment.ts_ms, moment.base
    clicks, shown = moment.clicks, moment.shown
    n = times_ms.shape[0]
    pause_ms = max(ts_ms - times_ms[n - 1], 0) if n else -1
    session = 0
    while session < n and times_ms[n - 1] - times_ms[n - 1 - session] <= _SESSION_MS:
        session += 1
    span_ms = abs(times_ms[n - 1] - times_ms[max(0, n - 5)]) if n else 0
    angle = 2.0 * math.pi * (ts_ms % _DAY_MS) / _DAY_MS
    values[0] = math.log1p(pause_ms / 1000.0) if pause_ms >= 0 else -1.0
    values[1] = 1.0 if pause_ms == 0 else 0.0
    values[2] = 1.0 if 0 <= pause_ms < 60_000 else 0.0
    values[3] = math.log1p(session)
    values[4] = math.log1p(n)
    values[5] = moment.last_liked
    values[6] = math.log1p(span_ms / 1000.0)
    values[7] = math.log1p(moment.n_pool)
    values[8] = math.log((clicks + 10.0 * base) / (shown + 10.0) / base)
    values[9] = math.log1p(shown)
    values[10] = math.log1p(moment.list_size)
    values[11] = math.sin(angle)
    values[12] = math.cos(angle)
    for source in range(largest.shape[0]):
        values[13 + source] = math.log(largest[source] + np.float32(1e-3))


@compiled
def halve(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Return the values as float16 holds them, as numbers and as its bits; same shape."""
    rounded, halves = np.empty_like(values), np.empty(values.shape[0], np.uint16)
    round_to_half(values, halves, rounded)
    return rounded, halves


@compiled
def write(
    facts: Facts,
    n_common: int,
    n_all: int,
    n_shared: int,
    cut: Cut,
    known: Known,
    base: float,
    moment: Moment,
) -> NDArray[np.float32]:
    """Return all features in a row as they are, see ``describe``."""
    n = cut.items.shape[0]
    values = np.zeros(n * n_all + n_shared, np.float32)
    rows = values[: n * n_all].reshape((n, n_all))
    fill_rows(rows, facts, cut, moment)
    _fill_tastes(rows, n_common, facts.posterior, known, cut.items, base)
    fill_shared(values[n * n_all :], moment, cut.largest)
    return values


@compiled
def describe(
    facts: Facts,
    n_common: int,
    n_all: int,
    n_shared: int,
    items: NDArray[np.int32],
    mixed: NDArray[np.float32],
    largest: NDArray[np.float32],
    places: NDArray[np.int32],
    pooled: NDArray[np.int32],
    table: NDArray[np.float64],
    lessons: int,
    keep: float,
    base: float,
    times_ms: NDArray[np.int64],
    seen: NDArray[np.int32],
    tokens: NDArray[np.int64],
    ts_ms: int,
    last_liked: float,
    clicks: float,
    shown: float,
    base_rate: float,
    n_pool: int,
    list_size: int,
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Return all features in a row, ``(n_candidates * n_columns + n_shared,)``, see ``halve``.

    Tuples of arrays would be taken apart anew by each call, so their fields are given.

    Parameters
    ----------
    n_common, n_all, n_shared
        How many columns there are before those of the personal models, in all, and of the request.
        With a posterior its columns follow the common ones; those of others are 0.
    items, mixed, largest, places, pooled
        Fields of a ``Cut``.
    table, lessons, keep, base
        Fields of a ``Known``, and see ``recsys.learners.taste_kernels.describe``.
    times_ms, seen, tokens, ts_ms, last_liked, clicks, shown, base_rate, n_pool, list_size
        Fields of a ``Moment``.
    """
    cut = Cut(items, mixed, largest, places, pooled)
    moment = Moment(
        times_ms, seen, tokens, ts_ms, last_liked, clicks, shown, base_rate, n_pool, list_size
    )
    known = Known(table, lessons, keep)
    return halve(write(facts, n_common, n_all, n_shared, cut, known, base, moment))
