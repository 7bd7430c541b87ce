"""The inner loops of ``recsys.features.table``: one pass over the candidates, one for the rest."""

import math

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.pool import Cut
from recsys.compiled import compiled
from recsys.features.arguments import PRIOR_CLICKS, take_arguments
from recsys.features.facts import Facts, Moment
from recsys.features.half import round_to_half
from recsys.features.logs import take_logarithms
from recsys.learners.taste_kernels import TASTE_COLUMNS, Known, Posterior
from recsys.learners.taste_kernels import describe as describe_tastes

__all__ = ["describe", "halve", "write"]

_NEVER = 15.0
"""Logarithm of six years in minutes: since an item was liked that never was."""

_DAY_MS = 86_400_000.0
_SESSION_MS = 1_800_000
_LARGEST = 65504.0
"""Of float16."""
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
    clicked = fade * counts[key, window, 1] + PRIOR_CLICKS
    lift: float = clicked / (fade * counts[key, window, 2] + PRIOR_CLICKS)
    return lift


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
    n, width, at = candidates.shape[0], attributes.shape[1], 2 * facts.scores.shape[0]
    # First what nothing else depends on: the processor then waits for many items at once.
    averages, tokens = np.empty(n, np.float32), np.empty((n, width), np.int32)
    for i in range(n):
        item = max(candidates[i], 0)
        rows[i, at + 2] = log_liked[item]
        rows[i, at + 5], rows[i, at + 6] = usual_pause[item], usual_depth[item]
        averages[i] = averaged[item]
        theirs, row = attributes[item], tokens[i]
        for place in range(width):
            row[place] = theirs[place]
    known = np.full(_LATELY, -1, np.int32)
    lifts = np.empty((_LATELY, n_windows))
    total = np.empty(n_windows)
    for i in range(n):
        item = candidates[i]
        if item < 0 or last_liked_ms[item] <= 0:
            rows[i, at + 4] = _NEVER
        if item < 0:
            rows[i, at + 2] = 0.0
            rows[i, at + 5 : at + 7] = 0.0
            continue
        if pause_ms >= 0 and averages[i] > 0.0:
            rows[i, at + 7] = abs(log_pause - rows[i, at + 5])
        count = 0
        total[:] = 0.0
        for place_of_token in range(width):
            token = tokens[i, place_of_token]
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
    take_arguments(columns, facts, cut, moment)
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
