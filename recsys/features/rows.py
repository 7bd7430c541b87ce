"""The inner loops of ``recsys.features.table``: one pass over the candidates, one for the rest."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.compiled import compiled
from recsys.features.windows import crossed

__all__ = ["Items", "bound", "fill_rows", "fill_shared"]

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
_LATELY = 64
"""Attributes whose lifts are kept within a request: candidates have the same few."""

Windows = tuple[NDArray[np.float32], NDArray[np.int64]]


class Items(NamedTuple):
    """What is known per item, arrays of shape ``(n_items or more, ...)``."""

    created_ms: NDArray[np.int64]
    attributes: NDArray[np.int32]
    log_liked: NDArray[np.float64]
    last_liked_ms: NDArray[np.int64]
    usual_pause: NDArray[np.float32]
    usual_depth: NDArray[np.float32]
    averaged: NDArray[np.float32]


@compiled
def _lift(
    counts: NDArray[np.float32],
    key: int,
    window: int,
    fade: float,
) -> float:
    """Return the log of a key's clicks over its expected clicks, 0 while nothing is known."""
    if counts[key, window, 1] == 0.0 and counts[key, window, 2] == 0.0:
        return 0.0
    clicked = fade * counts[key, window, 1] + _PRIOR_CLICKS
    return math.log(clicked / (fade * counts[key, window, 2] + _PRIOR_CLICKS))


@compiled
def _crossed_lift(
    counts: NDArray[np.float32],
    last_ms: NDArray[np.int64],
    half_life_ms: float,
    item: int,
    tokens: NDArray[np.int64],
    rate: float,
    ts_ms: int,
) -> float:
    """Return the log of an item's rate in a context over its own, averaged over the tokens."""
    total = 0.0
    for i in range(tokens.shape[0]):
        row = crossed(item, tokens[i], last_ms.shape[0])
        fade = 1.0
        if counts[row, 0, 1] != 0.0 or counts[row, 0, 2] != 0.0:
            fade = 2.0 ** (-max(ts_ms - last_ms[row], 0) / half_life_ms)
        clicked = fade * counts[row, 0, 1] + _PRIOR_CROSSED * rate
        total += math.log(clicked / ((fade * counts[row, 0, 2] + _PRIOR_CROSSED) * rate))
    average: float = total / max(tokens.shape[0], 1)
    return average


@compiled
def fill_rows(
    rows: NDArray[np.float32],
    scores: NDArray[np.float32],
    candidates: NDArray[np.int32],
    mixed: NDArray[np.float32],
    places: NDArray[np.int32],
    largest: NDArray[np.float32],
    items: Items,
    seen: NDArray[np.float32],
    item_windows: Windows,
    attribute_windows: Windows,
    half_lives_ms: NDArray[np.float64],
    crossings: Windows,
    crossing_half_life_ms: float,
    tokens: NDArray[np.int64],
    ts_ms: int,
    pause_ms: int,
) -> None:
    """Write the columns up to those of the personal models, in the order of the table.

    Parameters
    ----------
    candidates
        Dense indices, shape ``(n_candidates,)``; -1 for an item that the catalogue lacks, which is
        described as one that no source speaks for and that nobody has liked.
    seen
        How often the person was shown each, ``(n_candidates,)``.
    tokens
        Hashes of the context and of the list's length.
    pause_ms
        Since the person's last like, -1 when there is none.
    """
    n_sources = scores.shape[1]
    n_windows = half_lives_ms.shape[0]
    log_pause = math.log1p(pause_ms / 1000.0) if pause_ms >= 0 else -1.0
    none_relative, none = np.float32(math.log(1e-3)), np.float32(math.log(1e-4))
    known = np.full(_LATELY, -1, np.int32)
    lifts = np.empty((_LATELY, n_windows))
    for i in range(candidates.shape[0]):
        item = candidates[i]
        for source in range(n_sources):
            score = scores[item, source] if item >= 0 else np.float32(0.0)
            if score == 0.0:
                rows[i, source] = none_relative
                rows[i, n_sources + source] = none
                continue
            relative = score / largest[source] if largest[source] > _TINY else 0.0
            rows[i, source] = math.log(relative + 1e-3)
            rows[i, n_sources + source] = math.log(score + 1e-4)
        at = 2 * n_sources
        rows[i, at] = math.log(mixed[i] + _MIX_FLOOR)
        rows[i, at + 1] = math.log1p(places[i])
        if item < 0:
            rows[i, at + 4] = _NEVER
            continue
        rows[i, at + 2] = items.log_liked[item]
        rows[i, at + 3] = math.log1p(max(ts_ms - items.created_ms[item], 0) / 3_600_000.0)
        if items.last_liked_ms[item] > 0:
            since_ms = max(ts_ms - items.last_liked_ms[item], 0)
            rows[i, at + 4] = math.log1p(since_ms / 60_000.0)
        else:
            rows[i, at + 4] = _NEVER
        rows[i, at + 5] = items.usual_pause[item]
        rows[i, at + 6] = items.usual_depth[item]
        if pause_ms >= 0 and items.averaged[item] > 0.0:
            rows[i, at + 7] = abs(log_pause - items.usual_pause[item])
        rows[i, at + 8] = math.log1p(seen[i])
        at += 9
        age_ms = max(ts_ms - item_windows[1][item], 0)
        for window in range(n_windows):
            # Of an item that was neither shown nor clicked all of them are 0, as they are already.
            if not item_windows[0][item, window].any():
                continue
            fade = 2.0 ** (-age_ms / half_lives_ms[window])
            rows[i, at + window] = _lift(item_windows[0], item, window, fade)
            shown = fade * item_windows[0][item, window, 0]
            rows[i, at + n_windows + window] = math.log1p(shown)
        count = 0
        total = np.zeros(n_windows)
        for column in range(items.attributes.shape[1]):
            token = items.attributes[item, column]
            if token < 0:
                break
            place = token % _LATELY
            if known[place] != token:
                known[place] = token
                age_ms = max(ts_ms - attribute_windows[1][token], 0)
                for window in range(n_windows):
                    fade = 2.0 ** (-age_ms / half_lives_ms[window])
                    lifts[place, window] = _lift(attribute_windows[0], token, window, fade)
            for window in range(n_windows):
                total[window] += lifts[place, window]
            count += 1
        for window in range(n_windows):
            rows[i, at + 2 * n_windows + window] = total[window] / max(count, 1)
        at += 3 * n_windows
        rate = math.exp(rows[i, at - 2 * n_windows - 1])
        rows[i, at] = _crossed_lift(
            crossings[0], crossings[1], crossing_half_life_ms, item, tokens, rate, ts_ms
        )


@compiled
def bound(rows: NDArray[np.float32], first: int, largest: float) -> None:
    """Keep the columns from ``first`` on between minus and plus ``largest``; NaN stays."""
    for i in range(rows.shape[0]):
        for column in range(first, rows.shape[1]):
            if rows[i, column] > largest:
                rows[i, column] = largest
            elif rows[i, column] < -largest:
                rows[i, column] = -largest


@compiled
def fill_shared(
    values: NDArray[np.float32],
    times_ms: NDArray[np.int64],
    ts_ms: int,
    last_liked: float,
    done: tuple[float, float, float],
    n_pool: int,
    list_size: int,
    largest: NDArray[np.float32],
) -> None:
    """Write the features of a request.

    Parameters
    ----------
    times_ms
        Of the person's likes, oldest first, ``(n_past,)``.
    last_liked
        ``log(1 + likes)`` of the item that they liked last.
    done
        Clicks and shown slots of the person, and the average share of slots that are clicked.
    largest
        Maxima of the sources' scores, ``(n_columns,)``.
    """
    n = times_ms.shape[0]
    clicks, shown, base = done
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
    values[5] = last_liked
    values[6] = math.log1p(span_ms / 1000.0)
    values[7] = math.log1p(n_pool)
    values[8] = math.log((clicks + 10.0 * base) / (shown + 10.0) / base)
    values[9] = math.log1p(shown)
    values[10] = math.log1p(list_size)
    values[11] = math.sin(angle)
    values[12] = math.cos(angle)
    for source in range(largest.shape[0]):
        values[13 + source] = math.log(largest[source] + np.float32(1e-3))
