"""All numeric features: what candidates are ranked by, logged and learned from.

Two tables. A row per candidate (``columns``): each source's score as ``log(score / maximum)`` and
as ``log(score)``, the mix, when and how often the item is liked, shown and clicked, what its
attributes are worth lately, what the personal models say. And one row for the request
(``shared_columns``): how long the person paused, how much they have done, what time it is, how much
the sources know. Logarithms, because counts and times span orders of magnitude.
``recsys.features.columns`` declares their names.

Values are rounded to float16 before anybody sees them, so that what is logged is what was scored.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.base import Asker
from recsys.candidates.pool import Cut, Pool
from recsys.catalogue import Catalogue
from recsys.features import rows as compute
from recsys.features.columns import Column, Family, keep, of_candidates, of_requests
from recsys.features.counts import ItemCounts
from recsys.features.facts import Facts, hold_facts
from recsys.features.habits import ItemHabits
from recsys.features.shown import show
from recsys.features.windows import CLICKED, EXPECTED, Kind, WindowCounts, cross
from recsys.held import Held
from recsys.learners.base import PersonalModel
from recsys.learners.personal_bandit import PersonalBandit
from recsys.learners.taste_kernels import NOTHING_KNOWN

__all__ = ["NOWHERE", "Asked", "FeatureTable", "Width", "Windows", "surface"]

_LARGEST: Final = float(np.finfo(np.float16).max)
_DAY_MS: Final = 86_400_000.0


NOWHERE: Final = np.zeros(0, np.int64)
"""The surface of what happens outside of any list."""
_CONTEXTS: Final = 8
"""Entries of a context that count; a request may bring more."""


class Windows(NamedTuple):
    """Counts by item index, by attribute token, and by item and context hashed together."""

    items: WindowCounts
    attributes: WindowCounts
    crossings: WindowCounts


@lru_cache(maxsize=1024)
def surface(context: tuple[int, ...], list_size: int) -> NDArray[np.int64]:
    """Return what a list's place in the application is known by: its context and its length.

    Parameters
    ----------
    context
        See ``recsys.features.base.context_hashes``.

    Returns
    -------
    Tokens, int64: one for the power of two that the length reaches, and one per entry; not to be
    written.
    """
    return np.array([list_size.bit_length(), *context[:_CONTEXTS]], np.int64)


class Width(NamedTuple):
    """How many columns there are before those of the personal models, in all, and of a request."""

    common: int
    all: int
    shared: int


class Asked(NamedTuple):
    """The features of one request.

    Attributes
    ----------
    rows
        float32, shape ``(n_candidates, n_columns)``.
    shared
        float32, shape ``(n_shared,)``.
    logged_rows, logged_shared
        The same as float16, as they are logged.
    """

    rows: NDArray[np.float32]
    shared: NDArray[np.float32]
    logged_rows: NDArray[np.float16]
    logged_shared: NDArray[np.float16]


class FeatureTable:
    """Reads the state and writes features.

    Parameters
    ----------
    pool
        Holds the sources' scores when ``ask`` is called.
    without
        Families that are left out, after everything was computed.

    Attributes
    ----------
    columns, shared_columns
        Names of the features of a candidate and of a request.
    places
        Where each of ``columns`` is.
    width
        How many columns compiled code writes.
    left_out
        Names of the features that are missing because of ``without``.
    """

    def __init__(
        self,
        pool: Pool,
        catalogue: Catalogue,
        counts: ItemCounts,
        habits: ItemHabits,
        windows: Windows,
        personal: Sequence[PersonalModel],
        without: Collection[Family] = (),
    ) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._counts = counts
        self._habits = habits
        self._item_windows, self._attribute_windows, self._crossings = windows
        spans = [_span(half_life) for half_life in self._item_windows.half_lives_ms.tolist()]
        common = of_candidates(pool.columns, spans)
        own = (Column(column, None) for model in personal for column in model.columns)
        candidates, requests = (*common, *own), of_requests(pool.columns)
        self.width = Width(len(common), len(candidates), len(requests))
        self._bandit: PersonalBandit | None = None
        self._others = list[tuple[PersonalModel, int]]()
        column = len(common)
        for model in personal:
            # Its columns are written with the common ones, which they must follow.
            if isinstance(model, PersonalBandit) and column == len(common):
                self._bandit = model
            else:
                self._others.append((model, column))
            column += len(model.columns)
        self._crossed_half_life_ms = float(self._crossings.half_lives_ms[0])
        self._held = Held(hold_facts)
        self._selects = bool(without)
        self._kept, self._shared_kept = keep(candidates, without), keep(requests, without)
        self.columns, self.shared_columns = self._kept.names, self._shared_kept.names
        self.places: Mapping[str, int] = {name: i for i, name in enumerate(self.columns)}
        self.left_out = (*self._kept.left_out, *self._shared_kept.left_out)

    @property
    def plain(self) -> bool:
        """Whether compiled code writes all of them, those of the personal bandit among them."""
        return (
            self._bandit is not None
            and not self._selects
            and all(model.silent for model, _ in self._others)
        )

    @property
    def held(self) -> Facts:
        """What features are made from, for compiled code."""
        return self._held(self._facts)

    def ask(self, asker: Asker, cut: Cut, tokens: NDArray[np.int64], list_size: int) -> Asked:
        """Return the features of the cut's items for a person at a moment.

        Parameters
        ----------
        tokens
            What ``surface`` says of the request; empty when there is none.
        list_size
            How many items will be shown, 0 when there is no list.
        """
        user, items, n = asker.user, cut.items, len(cut.items)
        bandit, known, base = self._bandit, NOTHING_KNOWN, 1.0
        if bandit is not None:
            known, base = bandit.known(user), bandit.base
        counts, width = self._counts, self.width
        last_liked = float(counts.log_liked[user.last_liked]) if len(user.items) else 0.0
        # One after the other in one piece of memory, so that they are rounded at once: scored is
        # what is logged.
        # fmt: off
        values, halves = compute.describe(
            self.held, width.common, width.all, width.shared,
            items, cut.mixed, cut.largest, cut.places, cut.pooled,
            known.table, known.lessons, known.keep, base,
            asker.times_ms, user.seen.table, tokens, asker.ts_ms, last_liked,
            float(user.clicks), float(user.shown), counts.base_rate, self._pool.count, list_size,
        )
        # fmt: on
        shape = n, width.all
        spoken = [(model, column) for model, column in self._others if not model.silent]
        if spoken or self._selects:
            end = n * shape[1]
            rows, shared = values[:end].reshape(shape), values[end:]
            for model, column in spoken:
                answers = model.features(user, items).clip(-_LARGEST, _LARGEST)
                rows[:, column : column + len(model.columns)] = answers
            if self._selects:
                rows = rows.take(self._kept.places, axis=1)
                shape = rows.shape
                values = np.concatenate([rows.reshape(-1), shared.take(self._shared_kept.places)])
            # What was rounded before stays as it is.
            values, halves = compute.halve(values)
        logged, end = halves.view(np.float16), n * shape[1]
        return Asked(
            values[:end].reshape(shape), values[end:], logged[:end].reshape(shape), logged[end:]
        )

    def _facts(self) -> Facts:
        counts, habits, catalogue = self._counts, self._habits, self._catalogue
        crossings = self._crossings
        return Facts(
            self._pool.scores,
            catalogue.created_table,
            catalogue.attribute_table,
            counts.log_liked,
            counts.shown,
            habits.last_ms,
            habits.pause,
            habits.depth,
            habits.likes,
            self._item_windows.counts,
            self._item_windows.last_ms,
            self._attribute_windows.counts,
            self._attribute_windows.last_ms,
            crossings.counts,
            crossings.last_ms,
            self._item_windows.half_lives_ms,
            self._crossed_half_life_ms,
            crossings.n_keys,
            None if self._bandit is None else self._bandit.held,
        )

    def show(self, items: NDArray[np.int32], ts_ms: int, new_below: float = 0.0) -> int:
        """Count in the counters and in the windows that items were shown.

        Returns
        -------
        How many of them were shown fewer than ``new_below`` times before.
        """
        self._counts.total_shown += len(items)
        return show(self.held, items, ts_ms, new_below)

    def click(
        self,
        item: int,
        shares: Sequence[tuple[int, float]],
        ts_ms: int,
        tokens: NDArray[np.int64],
    ) -> None:
        """Count in the windows that an item of a list earned something.

        Parameters
        ----------
        shares
            All items of the list and the probability that a click falls on their place.
        tokens
            What ``surface`` says of the list.
        """
        self._count(np.array([item], np.int32), CLICKED, ts_ms, np.ones(1), tokens)
        others = np.array([other for other, _ in shares], np.int32)
        expected = np.array([share for _, share in shares], np.float64)
        self._count(others, EXPECTED, ts_ms, expected, tokens)

    def _count(
        self,
        items: NDArray[np.int32],
        kind: Kind,
        ts_ms: int,
        amounts: NDArray[np.float64],
        tokens: NDArray[np.int64],
    ) -> None:
        self._item_windows.add_all(items[:, None], kind, ts_ms, amounts)
        attributes = self._catalogue.attributes[items]
        self._attribute_windows.add_all(attributes, kind, ts_ms, amounts)
        if len(tokens):
            rows = cross(items, tokens, self._crossings.n_keys)
            self._crossings.add_all(rows, kind, ts_ms, amounts)

    def grow(self) -> None:
        """Make room for the catalogue's items and attributes."""
        self._item_windows.grow(len(self._catalogue))
        self._attribute_windows.grow(self._catalogue.n_tokens)


def _span(half_life_ms: float) -> str:
    """Return a half-life as a name: ``30min``, ``6h``, ``3d``."""
    for unit, length_ms in (("d", _DAY_MS), ("h", 3_600_000.0), ("min", 60_000.0)):
        if half_life_ms >= length_ms:
            return f"{half_life_ms / length_ms:g}{unit}"
    return f"{half_life_ms / 1000.0:g}s"
